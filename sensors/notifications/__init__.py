"""Sensors of notifications and alerts: a message that is due, a cause that appeared or went away."""
