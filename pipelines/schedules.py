"""Schedules: what happens by the clock."""

import dagster as dg

from pipelines.jobs.maintenance import vector_sync

nightly_vector_sync = dg.ScheduleDefinition(
    name="nightly_vector_sync",
    job=vector_sync,
    cron_schedule="30 3 * * *",
    run_config={"ops": {"synced_vectors": {"config": {"repair": True}}}},
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Ledger and store compared every night, and repaired; turn it on where a store may lose vectors.",
)
