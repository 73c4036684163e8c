"""Channels that carry notices to people and apps: Slack, e-mail, webhooks. Each says what became of one message.

Which message is due, and what becomes of it, stands in the ledger (`resources/ledger/notifications/outbox.py`).
"""
