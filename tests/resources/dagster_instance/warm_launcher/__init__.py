"""Tests of warm runs, over real processes."""
