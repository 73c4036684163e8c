"""Channels that send notifications to people and apps: Slack, e-mail, webhooks. Each returns the outcome of a message.

Which message is due, and its state, is in the ledger (`resources/ledger/notifications/outbox.py`).
"""
