"""The document graph from workbook to lineage, its metadata and its checks."""
