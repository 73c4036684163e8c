"""Loggers of Dagster, which have the names of its private modules."""

STEP_LOGGER = "dagster._core.execution.plan.active"  # warns of each asset check that a step did not yield
