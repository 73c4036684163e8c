"""The vector store: one protocol, one body per service. What it holds is derived and can be made again."""
