"""Tests of the pure functions in `pipelines/documents`: no database, no network, no Dagster."""
