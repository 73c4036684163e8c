"""Tests of the JSON that people and apps are answered with."""
