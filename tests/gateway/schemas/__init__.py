"""Tests of the command `rowline`, run as a process or in this one."""
