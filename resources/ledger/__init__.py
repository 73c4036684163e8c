"""The ledger: the truth about documents, in PostgreSQL.

One module a noun: organizations (templates, employees), documents (uploads, versions, statuses), plans (batches and
the lineage rows they write), embeddings, orders, lineage (which row points where), live (the flip, forward and back),
sweeps (what nobody needs any more), drift (ledger and store compared), removals, erasures. SQL lives here only.
"""
