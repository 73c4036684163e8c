"""Foreign bytes to tables and back: any workbook or delimited file becomes rows of text, numbered as a person sees.

`reading.read_workbook` is the one entry. A file is parsed in a child process with a memory, CPU and time limit;
nothing here opens a database, a socket or a Dagster run. The rules it follows are written in docs/reading.md.
"""
