"""Everything that can time out: database, ledger, objects, vectors, embedders, channels, the Dagster instance.

A resource is a small protocol with one body per service. Only `domain.errors` cross its boundary.
"""
