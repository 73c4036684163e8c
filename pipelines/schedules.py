"""Schedules: what happens by the clock."""

import dagster as dg

from pipelines.jobs.maintenance import old_events_cleanup, vector_sync

nightly_vector_sync = dg.ScheduleDefinition(
    name="nightly_vector_sync",
    job=vector_sync,
    cron_schedule="30 3 * * *",
    run_config={"ops": {"synced_vectors": {"config": {"repair": True}}}},
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Ledger and store compared every night, and repaired; turn it on if a store may lose vectors.",
)

daily_events_cleanup = dg.ScheduleDefinition(
    name="daily_events_cleanup",
    job=old_events_cleanup,
    cron_schedule="10 4 * * *",
    run_config={"ops": {"forgotten_events": {"config": {"dry_run": False}}}},
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Events older than EVENT_RETENTION_DAYS removed every night.",
)
