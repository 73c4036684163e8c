"""Postmen of the documents domain: new uploads, files in the inbox, failed runs."""
