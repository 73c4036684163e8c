"""Documents: reading workbooks, templates and row text, the addresses of rows, batches and their diffs.

Pure functions over files and rows. What can time out (database, store, embedder) is in `resources/`.
"""
