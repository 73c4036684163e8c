"""What tests of orders do again and again: order, let the sensor look, ask the ledger."""

from __future__ import annotations

import dagster as dg

from resources.embedders.openai import OpenAIEmbedder
from resources.ledger.documents.documents import Version
from sensors.documents.embedding_jobs import embedding_orders
from tests.laws.deployment import Deployment, items
from tests.stand_ins.openai_server import KEY, OpenAIServer

TABLE = items(*[f"item{n}" for n in range(10)])  # three batches


def embed_by(rowline: Deployment, openai: OpenAIServer, dimension: int) -> None:
    services = rowline.services
    services.__dict__["embedder"] = OpenAIEmbedder(
        KEY, openai.base_url, dimension=dimension, max_retries=2, sleep=lambda _: None
    )
    services.__dict__.pop("uploads", None)


def order(patient: Deployment, table: list[list[str]] = TABLE, document: str | None = None) -> Version:
    """Upload with --economy, and run as far as it goes."""
    return patient.process(patient.upload(table, document, economy=True).document_id)


def tick(patient: Deployment) -> str:
    """The sensor, after all orders have come due; gives what it says."""
    for table in ("embedding_jobs", "cancelled_embedding_jobs"):
        patient.sql(f"UPDATE {table} SET next_poll_at = now() - interval '1 s'")
    services = patient.services
    with dg.build_sensor_context(instance=patient.dagster) as context:
        told = embedding_orders(context, ledger=services.ledger, embedder=services.embedder)
    return told.skip_message


def states(patient: Deployment) -> list[str]:
    return [row["state"] for row in patient.sql("SELECT state FROM embedding_jobs ORDER BY created_at, first_row")]
