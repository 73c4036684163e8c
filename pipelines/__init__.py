"""Dagster's roof: definitions, jobs, schedules, the wiring of settings to resources. Only `gateway` imports it."""
