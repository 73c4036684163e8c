"""What exists per document: thin assets and the claims (checks) about them.

Read through a resource, call a pure function, write through a resource, return facts.
"""
