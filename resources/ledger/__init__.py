"""The ledger: the truth about documents, in PostgreSQL.

One module a noun: organizations (templates, employees), documents (uploads, versions, statuses), plans
(batches and the lineage rows they write), embeddings, lineage (which row points where, search, trace), live (the flip, forward
and back), sweeps (what nobody needs any more). SQL lives here only.
"""
