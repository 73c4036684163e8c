"""Dagster's instance: its storage, event log, run queue and launcher. The only place for Dagster's private modules."""
