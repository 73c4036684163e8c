"""Tests of the parts of the Dagster instance that are ours."""
