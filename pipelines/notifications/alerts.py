"""Alerts: when a cause is worth being told, told again, and told to be gone."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal["document_failed", "document_errors", "run_died", "store_drift", "queue_age", "event_failed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
