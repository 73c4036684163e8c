"""Warm runs: a run starts in milliseconds, forked from a process that has imported everything.

The launcher (in Dagster's daemon) keeps one fork server: a process of its own, started afresh, with one thread and no
connection. Each run is a child of it. Nothing here knows what a run computes.
"""
