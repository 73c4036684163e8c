"""Documents: templates and the text of rows, the identifiers of rows and vectors, batches, diffs, statuses, verdicts.

Pure functions over tables and rows. Files are read in `formats`; what can time out is in `resources`.
"""
