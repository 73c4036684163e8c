"""The routes, a module per noun: parse the request, call an operation or the ledger, return a schema."""
