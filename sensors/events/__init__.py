"""Sensors of events: new ones whose functions are due, and the outcomes of the jobs that they started."""
