"""Tests of the pure functions in `domain`: no database, no network, no Dagster."""
