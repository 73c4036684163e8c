"""Removals of documents and erasures of people's data, from request to receipt."""
