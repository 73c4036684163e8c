"""The ledger: the truth about documents, in PostgreSQL.

One module a noun: organizations (templates, employees), documents (uploads, versions, statuses), plans
(batches and the lineage rows they write), embeddings, lineage (live version, search, trace). SQL lives here only.
"""
