"""Rows and lineage of a document, from the deployment that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from operations.documents.data_frames import find_version, lineage_frame, rows_frame
from operations.services import Services
from settings.settings import Settings, load_settings

if TYPE_CHECKING:
    import pandas as pd


def load_rows(document_id: str, version: int | None = None, *, settings: Settings | None = None) -> pd.DataFrame:
    """Every row of a version in reading order: its place, its cells as text, and what Rowline made of it.

    `version`: the live one if None, or the newest one if none is live. `settings`: read from the environment and
    `.env` if None. Columns: docs/dataframes.md.
    Raises NotFound for an unknown document or version, Conflict if the version failed before its rows were read,
    TransientError if it is not processed yet.
    """
    with _services(settings) as services:
        return rows_frame(services.objects, find_version(services.ledger, document_id, version))


def load_lineage(document_id: str, version: int | None = None, *, settings: Settings | None = None) -> pd.DataFrame:
    """One lineage record per row of a version, in reading order: the vector, and where it came from.

    Arguments and errors are those of `load_rows`.
    """
    with _services(settings) as services:
        return lineage_frame(services.ledger, find_version(services.ledger, document_id, version))


@contextmanager
def _services(settings: Settings | None) -> Iterator[Services]:
    services = Services(settings or load_settings())
    try:
        yield services
    finally:
        services.close()
