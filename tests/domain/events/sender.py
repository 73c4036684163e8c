"""Sends events as apps do, and lets the sensor tick as the daemon does."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from operations.events.intake import ingest_events
from pipelines.definitions import defs
from pipelines.resources import NAMES
from tests.laws.deployment import Deployment, csv_bytes, items


class Events:
    """Sends events as apps do, and lets the sensor tick."""

    def __init__(self, rowline: Deployment) -> None:
        self.rowline, self.services = rowline, rowline.services
        self.sensor = defs.get_repository_def().get_sensor_def("new_events")
        self.cursor: str | None = None
        self._last = 0.0

    def _later(self) -> float:
        """Each send has a millisecond of its own: ids of one millisecond have no order."""
        self._last = max(time.time(), self._last + 0.001)
        return self._last

    def send(self, name: str, organization: str = "acme", **data: Any) -> str:
        """The id of the event's run."""
        return self.send_all([{"name": name, "data": data}], organization)[0]

    def send_all(self, events: Sequence[Mapping[str, Any]], organization: str = "acme") -> list[str]:
        ids = ingest_events(self.services.ledger, organization, json.dumps(events).encode(), clock=self._later)
        rows = self.rowline.sql("SELECT run_id, event_id FROM function_runs WHERE event_id = ANY(%(ids)s)", ids=ids)
        found = {row["event_id"]: row["run_id"] for row in rows}
        return [found[one] for one in ids if one in found]

    def file(self, path: str, *names: str) -> str:
        self.services.objects.put(path, io.BytesIO(csv_bytes(items(*names))))
        return path

    def upload(self, document: str, *names: str, **data: Any) -> str:
        path = self.file(f"acme/{document}-{'-'.join(names)}.csv", *names)
        return self.send("document/uploaded", documentId=document, filename="a.csv", filePath=path, **data)

    def cleaning_up(self) -> tuple[str, str, dg.RunRequest]:
        """A document of the app's that is searchable, the run of the event that removes it, and the job asked for."""
        self.upload("d", "anvil")
        self.tick()
        document = self.services.ledger.documents.own_id("acme", "d")
        self.rowline.process(document)
        run = self.send("document/cleanup", documentId="d")
        (request,) = self.requests()
        return document, run, request

    def tick(self, keep: bool = True) -> Any:
        """One tick; `keep` its cursor, as the daemon does once it has taken what was asked for."""
        with dg.build_sensor_context(
            instance=self.rowline.dagster,
            cursor=self.cursor,
            resources={name: getattr(self.services, name) for name in ("ledger", "uploads", "event_files")},
            repository_def=defs.get_repository_def(),
        ) as context:
            told = self.sensor(context)
            if keep:
                self.cursor = told.cursor if isinstance(told, dg.SensorResult) else context.cursor
        return told

    def requests(self, keep: bool = True) -> list[dg.RunRequest]:
        told = self.tick(keep)
        return list(told.run_requests or []) if isinstance(told, dg.SensorResult) else []

    def launch(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """What the daemon does with a request."""
        return defs.resolve_job_def(str(request.job_name)).execute_in_process(
            instance=self.rowline.dagster,
            run_config={**request.run_config, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={**request.tags, "dagster/run_key": str(request.run_key)},
            resources={name: getattr(self.services, name) for name in NAMES},
            raise_on_error=False,
        )

    def run(self, run_id: str) -> dict[str, Any]:
        (row,) = self.rowline.sql("SELECT * FROM function_runs WHERE run_id = %(run)s", run=run_id)
        return row

    def states(self) -> list[str]:
        return [row["state"] for row in self.rowline.sql("SELECT state FROM function_runs ORDER BY sequence")]

    def hurry(self) -> None:
        """As if the pause after a failure were over."""
        self.rowline.sql("UPDATE function_runs SET due_at = now() WHERE state = 'waiting'")
