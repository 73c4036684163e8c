"""Object storage: uploaded files and each version's rows. One protocol, one body per service."""
