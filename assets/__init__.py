"""What exists per document: thin assets, and the checks that judge them.

An asset reads through a resource, calls an operation, and returns facts as metadata.
"""
