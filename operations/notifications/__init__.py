"""Delivery of notifications: what is due is sent, and each outcome is recorded."""
