"""Everything that can time out: the ledger, object storage, the vector store, embedders; and the settings.

A resource is a small protocol with one body per service. Only `domain.errors` cross its boundary.
"""
