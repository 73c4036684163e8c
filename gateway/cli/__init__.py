"""The `rowline` command: one module a family of commands; JSON on stdout, progress and errors on stderr."""
