"""What is computed.

Each domain folder is plain Python: no dagster, no network, no database. The root of this package is the
wiring (`definitions`, `jobs`, `schedules`) and sits above every other room but the gateway.
"""
