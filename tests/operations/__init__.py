"""Tests of `operations`: what Rowline does over its resources."""
