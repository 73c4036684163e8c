"""Workbooks and delimited text to tables: one reader per format, sheet selection, headers, the text of a cell."""
