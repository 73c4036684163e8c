"""The outbox of notifications, and alerts by cause."""
