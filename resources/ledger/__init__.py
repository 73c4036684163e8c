"""The ledger: the truth about documents, events and notifications, in PostgreSQL. SQL of the ledger is here only.

A room per noun: documents (uploads, versions, the live one, lineage, garbage collection), indexing (batches, kept
embeddings, jobs), removal, events, notifications, access. `ledger.Ledger` is all of them over one database.
"""
