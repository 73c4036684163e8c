"""Inboxes: places that are watched for files. One protocol, one body for a folder, one for a bucket."""
