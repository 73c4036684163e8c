"""The status card of one document: progress, result, errors, versions, and what can be done with it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from domain.documents.statuses import error_rows
from gateway.http.auth.callers import OurServices
from gateway.http.auth.document_access import MAX_VERSION, CurrentVersion, DocumentReader
from gateway.pages.documents import UNFINISHED, template_name, templates_of
from gateway.pages.links import run_address
from gateway.pages.localization import Language, language_of
from gateway.pages.rendering import page
from operations.services import Services
from resources.ledger.documents.documents import MAX_LISTED_ERRORS, Version

router = APIRouter(include_in_schema=False)
ENDED = {"completed", "failed", "cancelled"}
WhichVersion = Annotated[int | None, Query(ge=1, le=MAX_VERSION)]


@router.get("/d/{documentId}")
def document_page(
    request: Request,
    caller: DocumentReader,
    services: OurServices,
    current: CurrentVersion,
    version: WhichVersion = None,
    aim: WhichVersion = None,
    event: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """`aim` and `event`: the version of a requested rollback, and the event that requested it."""
    shown = current if version is None else services.ledger.documents.get(current.document_id, version)
    batches = services.ledger.documents.batches(shown.document_id, shown.version)
    versions = services.ledger.listing.versions(current)
    facts = facts_of(shown, batches, datetime.now(UTC))
    going = rollback_progress(services, current, aim, event)
    return page(
        request,
        "document.html",
        caller,
        version=shown,
        current=current,
        batches=batches,
        **{**facts, "busy": facts["busy"] or going == "under_way"},
        aim=aim,
        going=going,
        said=status_announcement(language_of(request), shown, facts),
        versions=versions,
        goes_back=goes_back(versions),
        template=template_name(shown),
        templates=templates_of(services, caller),
        run_address=run_address(services.settings, shown.state.run_id),
    )


def rollback_progress(services: Services, current: Version, aim: int | None, event: str) -> str | None:
    """How the way back to a version goes: under_way, done or failed; None where nobody asked for it."""
    if aim is None:
        return None
    if current.live_version == aim:
        return "done"
    states = services.ledger.events.states(current.organization_id, [event]).get(event, [])
    return "failed" if not states or set(states) <= ENDED else "under_way"


def facts_of(version: Version, batches: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """The numbers of the card: of the result where there is one, else of the batches so far."""
    done = [batch for batch in batches if batch["status"] == "completed"]
    result = version.result
    in_batches = [error for batch in batches for error in batch["errors"]][:MAX_LISTED_ERRORS]
    return {
        "busy": version.status in UNFINISHED,
        "batches_done": len(done),
        "batches_total": len(batches),
        "rows_done": result["totalRows"] if result else sum(batch["rows"] for batch in done),
        "rows_total": result["totalRows"] if result else sum(batch["rows"] for batch in batches),
        "vectors": result["vectorsCreated"] if result else sum(batch["vectorsCreated"] for batch in batches),
        "errors": result["errors"] if result else in_batches,
        "errors_total": error_rows(version) if result else sum(batch["errorRows"] for batch in batches),
        "milliseconds": milliseconds(version, now),
    }


def milliseconds(version: Version, now: datetime) -> float | None:
    """How long it took, or has taken so far; None where it has not begun."""
    if version.result:
        return float(version.result["processingTimeMs"])
    if version.state.started_at is None:
        return None
    until = now if version.status in UNFINISHED else version.state.completed_at or now
    return (until - version.state.started_at).total_seconds() * 1000


def status_announcement(language: Language, version: Version, facts: Mapping[str, Any]) -> str:
    """What a screen reader reads out when it changes."""
    status = language.say(f"status.{version.status}")
    if version.status == "completed" and facts["errors_total"]:
        return f"{status}, {language.say('status.with_errors', n=facts['errors_total'])}"
    if version.status == "processing" and facts["batches_total"]:
        return f"{status}, {language.say('card.batches', done=facts['batches_done'], total=facts['batches_total'])}"
    return status


def goes_back(versions: Sequence[Version]) -> set[int]:
    """Versions that can be rolled back to now (`LiveVersions.set_rollback_target` decides in the end)."""
    if any(version.status in UNFINISHED for version in versions):
        return set()
    return {
        version.version
        for version in versions
        if version.status in ("completed", "rolled_back")
        and version.result is not None
        and version.version != version.live_version
    }
