"""The `rowline` command: one module per family of commands; JSON on stdout, progress and errors on stderr."""
