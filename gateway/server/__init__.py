"""The gateway's processes: supervisor, workers, request heads, logging, and the development stack."""
