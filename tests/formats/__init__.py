"""Tests of `formats`: real and hostile files through the same sandbox as in production."""
