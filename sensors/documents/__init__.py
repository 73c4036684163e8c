"""Sensors of documents: new uploads, files in the inbox, embedding jobs, failed and stalled runs."""
