"""What every request passes: limits of size and time, security headers, the request log."""
