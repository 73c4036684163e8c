"""Middleware for every request: limits of size and time, security headers, the request log."""
