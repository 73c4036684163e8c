"""The ledger: uploads, versions, plans, migrations."""
