"""Documents, their versions and rows: uploads, the live version, lineage, what may be deleted."""
