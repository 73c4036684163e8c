"""The JSON that people and apps read, the same over HTTP, on the command line and in pages: pydantic models.

A model is made from a value of a lower floor by its `from_…`. Routes return it, commands print its `to_json()`.
Requests stay beside the route that takes them.
"""
