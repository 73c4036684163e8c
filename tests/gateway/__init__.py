"""Tests of the gateway: command, HTTP, pages, doctor, server."""
