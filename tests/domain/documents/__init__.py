"""Tests of the pure functions in `domain/documents`: no database, no network, no Dagster."""
