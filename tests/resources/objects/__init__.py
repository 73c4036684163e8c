"""One contract for every body of object storage."""
