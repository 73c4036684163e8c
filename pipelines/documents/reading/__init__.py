"""Reading: any workbook or delimited file a person sends becomes rows of text with the row numbers that person sees.

`workbook.read_workbook` is the one door. A file is parsed in a child process with a memory, CPU and time limit;
nothing here opens a database, a socket or a Dagster run. The rules it follows are written in docs/reading.md.
"""
