"""The inbox in a bucket: an object is taken as soon as it is seen, once, and nothing is deleted that was not stored."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import dagster as dg
import pytest

from domain.documents.inbox_files import InboxFile
from domain.errors import ConfigurationError, RowlineError, TransientError
from operations.documents.erasure import erase_organization
from operations.documents.inbox import InboxCounts, empty_inbox, upload_file
from operations.documents.removal import plan_removal, remove_document
from operations.documents.uploads import Uploads
from resources.inbox.bucket import BucketInbox
from sensors.documents.inbox import TICK_SECONDS, bucket_files
from settings.settings import Settings
from tests.grids import kinds
from tests.laws.deployment import Deployment, csv_bytes, items, template
from tests.laws.doubles import FailsAt, Watched
from tests.stand_ins.faults import Fault
from tests.stand_ins.s3_server import BUCKET, S3Server

ANVIL, BELLOWS = csv_bytes(items("anvil")), csv_bytes(items("bellows"))
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
Tick = Callable[[], str]


@pytest.fixture
def settings(settings: Settings, s3: S3Server) -> Settings:
    return settings.model_copy(update={"object_store": f"s3://{BUCKET}/rowline", "s3_endpoint_url": s3.endpoint_url})


@pytest.fixture
def inbox(rowline: Deployment) -> BucketInbox:
    assert rowline.services.bucket_inbox is not None
    return rowline.services.bucket_inbox


@pytest.fixture
def tick(rowline: Deployment, inbox: BucketInbox) -> Tick:
    """One tick; what it says."""
    return lambda: evaluate(rowline, inbox)


def evaluate(rowline: Deployment, inbox: BucketInbox | None) -> str:
    resources = {"bucket_inbox": inbox, "uploads": rowline.services.uploads}
    with dg.build_sensor_context(instance=rowline.dagster, resources=resources) as context:
        skipped = bucket_files(context)
    assert isinstance(skipped, dg.SkipReason)
    return str(skipped.skip_message)


def taken(rowline: Deployment) -> list[tuple[str, str]]:
    """(organization, filename) of every document, oldest first."""
    return [(v.organization_id, v.filename) for v in reversed(rowline.services.ledger.documents.list_all())]


def take(inbox: BucketInbox, uploads: Uploads, warn: Callable[[str], None] = print, **more: Any) -> InboxCounts:
    return empty_inbox(inbox, uploads, inbox.files(), warn, TICK_SECONDS, **more)


def under(s3: S3Server, folder: str) -> list[str]:
    start = f"rowline/{folder}/"
    return [key.removeprefix(start) for key in s3.stored() if key.startswith(start)]


def test_where_versions_are_wanted_an_object_of_the_same_name_is_the_next_one(
    rowline: Deployment, s3: S3Server, inbox: BucketInbox
):
    """INBOX_VERSIONS, as in the folder: and no taken object takes the place of the one before."""
    uploads = replace(rowline.services.uploads, inbox_versions=True)
    for body in (ANVIL, BELLOWS):
        s3.drop("rowline/inbox/acme/items.csv", body)
        take(inbox, uploads)
    (document,) = rowline.services.ledger.documents.list_all()
    assert document.version == 2
    kept = f"rowline/.taken/acme/{document.document_id}"
    assert [s3.body(f"{kept}/1/items.csv"), s3.body(f"{kept}/2/items.csv")] == [ANVIL, BELLOWS]


def test_an_object_is_taken_at_the_first_look_and_moved(rowline: Deployment, s3: S3Server, tick: Tick):
    s3.drop("rowline/inbox/acme/items.csv", ANVIL)
    assert tick() == "1 files taken, 0 refused, 0 left for later"
    (document,) = rowline.services.ledger.documents.list_all()
    assert under(s3, "inbox") == []
    assert under(s3, ".taken") == [f"acme/{document.document_id}/1/items.csv"]
    assert s3.body(f"rowline/.taken/acme/{document.document_id}/1/items.csv") == ANVIL
    assert tick() == "0 files taken, 0 refused, 0 left for later"
    assert rowline.process(document.document_id).result["totalRows"] == 1
    assert rowline.found("anvil") == ["item: anvil\ncolour: colour of anvil"]


def test_a_tick_over_an_empty_inbox_costs_one_request_however_much_was_taken(
    rowline: Deployment, s3: S3Server, tick: Tick
):
    for number in range(1_500):
        s3.drop(f"rowline/.taken/acme/{number}/items.csv", b"")
    tick()
    assert dict(s3.stats.operations) == {"list": 1}


def test_an_object_of_the_same_name_and_bytes_dropped_later_is_another_document(
    rowline: Deployment, s3: S3Server, tick: Tick
):
    """As in the folder: somebody who drops a file again, because the first one failed, wants it read again."""
    for second, body in enumerate((ANVIL, BELLOWS, ANVIL)):
        s3.drop("rowline/inbox/acme/items.csv", body, NOON + timedelta(seconds=second))
        tick()
    assert taken(rowline) == [("acme", "items.csv")] * 3
    assert len(under(s3, ".taken")) == 3


def test_the_same_bytes_put_twice_in_a_second_are_one_drop(rowline: Deployment, s3: S3Server, tick: Tick):
    """A program whose first answer was lost puts the object again; the first may have been taken by then."""
    for _ in range(2):
        s3.drop("rowline/inbox/acme/items.csv", ANVIL, NOON)
        tick()
    whole(rowline, s3)


def test_a_template_folder_chooses_template_and_mode(rowline: Deployment, s3: S3Server, tick: Tick):
    rowline.employees("E1")
    staff = template(employeeIdentifier="no").model_copy(update={"name": "staff"})
    rowline.services.ledger.organizations.put_template("acme", staff)
    s3.drop("rowline/inbox/acme/staff/week.csv", csv_bytes([["no", "task"], ["E1", "welding"]]))
    tick()
    (version,) = rowline.services.ledger.documents.list_all()
    assert (version.mode, version.template.name) == ("employee_split", "staff")


@pytest.mark.parametrize(
    "name", ["acme/", "acme/.hidden.csv", "acme/~$items.xlsx", "acme/items.csv.part", "acme/.sync/a.csv", "a.csv"]
)
def test_what_is_not_there_to_be_read_is_left_alone(rowline: Deployment, s3: S3Server, tick: Tick, name: str):
    s3.drop(f"rowline/inbox/{name}", ANVIL)
    tick()
    assert taken(rowline) == []
    assert s3.stored() == [f"rowline/inbox/{name}"]


@pytest.mark.parametrize("name", ["급여 2024+1.csv", "a%2Fb.csv", "a b&c=d.csv", "é.csv", "\\a.csv", "'\".csv"])
def test_a_name_is_what_it_is(rowline: Deployment, s3: S3Server, tick: Tick, name: str):
    """Listed, copied and deleted under the very same key."""
    s3.drop(f"rowline/inbox/acme/{name}", ANVIL)
    tick()
    assert taken(rowline) == [("acme", name.removeprefix("\\"))]
    assert [key.rpartition("/")[2] for key in under(s3, ".taken")] == [name]
    assert under(s3, "inbox") == []


def test_a_name_that_fills_the_key_is_taken_and_keeps_its_end(rowline: Deployment, s3: S3Server, tick: Tick):
    """A key has 1,024 bytes; with the document's id before it, the name would not fit."""
    s3.drop(f"rowline/inbox/acme/{'가' * 330}.csv", ANVIL)
    assert tick().startswith("1 files taken")
    (moved,) = under(s3, ".taken")
    assert moved.endswith("가.csv")
    assert len(moved.rpartition("/")[2].encode()) <= 255


# -- refusing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no such org!/items.csv", "Organization 'no such org!' may hold letters, digits"),
        ("acme/unknown/items.csv", "Organization acme has no template unknown"),
        ("acme/a/b/items.csv", "acme/a/b/items.csv lies too deep"),
        ("acme//items.csv", "Organization acme has no template"),
    ],
)
def test_an_object_that_cannot_be_taken_is_refused_with_the_reason_beside_it(
    rowline: Deployment, s3: S3Server, tick: Tick, path: str, reason: str
):
    s3.drop(f"rowline/inbox/{path}", ANVIL)
    s3.drop("rowline/inbox/zeta/items.csv", BELLOWS)
    assert tick() == "1 files taken, 1 refused, 0 left for later"
    assert taken(rowline) == [("zeta", "items.csv")]
    kept, told = under(s3, ".refused")
    assert (kept.rpartition("/")[2], told.rpartition("/")[2]) == ("items.csv", "reason.txt")
    assert kept.rpartition("/")[0] == told.rpartition("/")[0]
    assert s3.body(f"rowline/.refused/{kept}") == ANVIL
    assert s3.body(f"rowline/.refused/{told}").decode().startswith(reason)
    assert under(s3, "inbox") == []


def test_refused_objects_of_one_name_and_second_are_all_kept(rowline: Deployment, s3: S3Server, tick: Tick):
    """S3's clock has whole seconds; a program drops a hundred files in one."""
    for folder, body in {"one": ANVIL, "two": BELLOWS}.items():
        s3.drop(f"rowline/inbox/acme/{folder}/items.csv", body, NOON)
    assert tick() == "0 files taken, 2 refused, 0 left for later"
    kept = [s3.body(f"rowline/.refused/{key}") for key in under(s3, ".refused")]
    assert sorted(body for body in kept if body in (ANVIL, BELLOWS)) == [ANVIL, BELLOWS]
    reasons = sorted(body.decode() for body in kept if body not in (ANVIL, BELLOWS))
    assert ["template one" in reasons[0], "template two" in reasons[1]] == [True, True]


def test_an_object_larger_than_is_accepted_is_refused_before_it_is_read(
    rowline: Deployment, s3: S3Server, inbox: BucketInbox
):
    s3.drop("rowline/inbox/acme/items.csv", ANVIL)
    small = replace(rowline.services.uploads, upload_bytes=10)
    warned: list[str] = []
    take(inbox, small, warned.append)
    assert warned == ["acme/items.csv: The file is larger than the 0 MiB that are accepted"]
    assert s3.stats.operations["get"] == 0
    assert len(under(s3, ".refused")) == 2


@pytest.mark.parametrize("kind", ["wrong_key", "access_denied", "quota_full"])
@pytest.mark.parametrize("operation", ["get", "put", "copy", "delete"])
def test_a_good_file_is_never_refused_for_a_wrong_setting(
    rowline: Deployment, s3: S3Server, tick: Tick, kind: str, operation: str
):
    """It says nothing of the file, which is taken as soon as somebody has corrected the setting."""
    s3.drop("rowline/inbox/acme/items.csv", ANVIL)
    s3.faults.append(Fault(kind, operation, always=True))
    assert tick() == "0 files taken, 0 refused, 1 left for later"
    assert under(s3, ".refused") == []
    assert under(s3, "inbox") == ["acme/items.csv"]
    s3.faults.clear()
    assert tick() == "1 files taken, 0 refused, 0 left for later"
    assert taken(rowline) == [("acme", "items.csv")]


# -- crashes, faults, races -------------------------------------------------------------------------------------


def whole(rowline: Deployment, s3: S3Server) -> None:
    """One document, its bytes stored, the object in its place, nothing twice and nothing left."""
    (document,) = rowline.services.ledger.documents.list_all()
    assert under(s3, "inbox") == under(s3, ".refused") == []
    assert under(s3, ".taken") == [f"acme/{document.document_id}/1/items.csv"]
    assert under(s3, "uploads") == [document.upload.object_key.removeprefix("uploads/")]
    assert {s3.body(key) for key in s3.stored()} == {ANVIL}


@pytest.mark.parametrize("call", ["copy_object", "delete_object"])
def test_a_crash_between_upload_and_move_takes_the_object_once(
    rowline: Deployment, s3: S3Server, tick: Tick, inbox: BucketInbox, monkeypatch: pytest.MonkeyPatch, call: str
):
    s3.drop("rowline/inbox/acme/items.csv", ANVIL)
    with monkeypatch.context() as patch:
        patch.setattr(inbox.bucket.client, call, lambda **_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            tick()
    assert len(taken(rowline)) == 1
    assert under(s3, "inbox") == ["acme/items.csv"]
    tick()
    whole(rowline, s3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", kinds(["rate_limit", "server_error", "reset_before", "reset_after", "truncated", "garbage", "altered"])
)
@pytest.mark.parametrize("operation", ["list", "get", "put", "copy", "delete"])
def test_one_fault_at_any_request_costs_at_most_a_tick(
    rowline: Deployment, s3: S3Server, tick: Tick, kind: str, operation: str
):
    """Law 4, at every moment of the taking; also where a request was applied and its answer lost."""
    s3.drop("rowline/inbox/acme/items.csv", ANVIL)
    s3.faults.append(Fault(kind, operation))
    told = []
    for _ in range(2):
        try:
            told.append(tick())
        except RowlineError as error:  # a list that cannot be read fails the tick, which Dagster shows
            assert operation == "list"
            told.append(str(error))
    assert not s3.faults
    whole(rowline, s3)


def test_a_list_that_cannot_be_read_is_no_empty_inbox(s3: S3Server, tick: Tick):
    s3.faults.append(Fault("server_error", "list", always=True))
    with pytest.raises(TransientError, match="Objects cannot be listed in"):
        tick()
    s3.faults.clear()
    s3.faults.append(Fault("wrong_key", "list", always=True))
    with pytest.raises(ConfigurationError, match="check AWS_ACCESS_KEY_ID"):
        tick()


@pytest.mark.parametrize("moment", ["get_object", "copy_object", "delete_object"])
def test_what_is_dropped_over_an_object_while_it_is_taken_is_taken_as_well(
    rowline: Deployment, s3: S3Server, tick: Tick, inbox: BucketInbox, monkeypatch: pytest.MonkeyPatch, moment: str
):
    """Nothing is deleted that was not stored: the ETag that was seen is asked for at every step."""
    s3.drop("rowline/inbox/acme/items.csv", ANVIL)
    real = getattr(inbox.bucket.client, moment)

    def overtaken(**arguments: Any) -> Any:
        s3.drop("rowline/inbox/acme/items.csv", BELLOWS)
        return real(**arguments)

    with monkeypatch.context() as patch:
        patch.setattr(inbox.bucket.client, moment, overtaken)
        tick()
    assert under(s3, "inbox") == ["acme/items.csv"]
    tick()
    stored = [s3.body(f"rowline/{v.upload.object_key}") for v in rowline.services.ledger.documents.list_all()]
    assert sorted(stored) == ([BELLOWS] if moment == "get_object" else [ANVIL, BELLOWS])
    assert under(s3, "inbox") == []


def test_two_ticks_at_once_take_an_object_once(rowline: Deployment, s3: S3Server, inbox: BucketInbox):
    """A tick that took longer than the daemon waits goes on beside the next one."""
    s3.drop("rowline/inbox/acme/items.csv", ANVIL)
    seen = inbox.files()
    warned: list[str] = []
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda _: empty_inbox(inbox, rowline.services.uploads, seen, warned.append, TICK_SECONDS), range(4)
            )
        )
    whole(rowline, s3)


def test_a_file_that_was_seen_and_is_gone_is_left(rowline: Deployment, s3: S3Server, inbox: BucketInbox):
    gone = InboxFile("acme", "acme/items.csv", 3, 1, '"0123"')
    with pytest.raises(RowlineError, match=r"acme/items.csv cannot be read in"):
        upload_file(inbox, rowline.services.uploads, gone)
    assert empty_inbox(inbox, rowline.services.uploads, [gone], lambda _: None, TICK_SECONDS) == InboxCounts(left=1)


def test_an_object_that_is_listed_but_not_found_is_told_at_every_look(
    rowline: Deployment, s3: S3Server, inbox: BucketInbox
):
    """Servers that mistake a `+` in the name of a copy's source do so: taken once, and not in silence for ever."""
    s3.drop("rowline/inbox/acme/items.csv", ANVIL)
    s3.faults.append(Fault("no_key", "copy", always=True))
    warned: list[str] = []
    for _ in range(2):
        take(inbox, rowline.services.uploads, warned.append)
    assert len(warned) == 2
    assert "it is listed, but not found" in warned[0]
    assert taken(rowline) == [("acme", "items.csv")]
    assert len(under(s3, "uploads")) == 1


# -- the tick ---------------------------------------------------------------------------------------------------


def test_a_tick_ends_in_time_and_the_next_one_goes_on(rowline: Deployment, s3: S3Server, inbox: BucketInbox):
    """A tick may take 60 s; a bucket may hold thousands of files."""
    for name in "abcdef":
        s3.drop(f"rowline/inbox/acme/{name}.csv", ANVIL)
    ticks = count()
    first = take(inbox, rowline.services.uploads, clock=lambda: next(ticks) * TICK_SECONDS / 3)
    assert first == InboxCounts(uploaded=3, left=3)
    take(inbox, rowline.services.uploads)
    assert sorted(name for _, name in taken(rowline)) == [f"{name}.csv" for name in "abcdef"]


def test_a_deployment_without_a_bucket_has_no_inbox_there(rowline: Deployment):
    assert evaluate(rowline, None) == "OBJECT_STORE is no bucket"


def test_clean_up_takes_along_what_the_inbox_kept_of_a_document(rowline: Deployment, s3: S3Server, tick: Tick):
    """As in the folder; a life-cycle rule that nobody set kept all of it for ever."""
    for path in ("acme/items.csv", "acme/other.csv", "acme/wrong/items.csv"):
        s3.drop(f"rowline/inbox/{path}", csv_bytes(items(path)))
    tick()
    documents = {v.filename: v.document_id for v in rowline.services.ledger.documents.list_all()}
    kept = f"acme/{documents['other.csv']}/1/other.csv"
    assert len(under(s3, ".refused")) == 2
    stores = rowline.services.document_stores
    dry = plan_removal(stores, documents["items.csv"])[0]
    assert (dry.inbox_files_deleted, len(under(s3, ".taken"))) == (1, 2)
    assert remove_document(stores, documents["items.csv"]).inbox_files_deleted == 1
    assert under(s3, ".taken") == [kept]
    rowline.process(documents["other.csv"])  # nobody is erased from under a document that waits
    dry_receipt = erase_organization(stores, "acme", NOON)
    receipt = erase_organization(stores, "acme", NOON, dry_run=False)
    assert (dry_receipt.inbox_files_deleted, receipt.inbox_files_deleted) == (3, 3)
    assert s3.stored() == []


def test_where_a_bucket_cannot_be_asked_the_document_stays_known_and_clean_up_is_done_again(
    rowline: Deployment, s3: S3Server, tick: Tick
):
    s3.drop("rowline/inbox/acme/items.csv", ANVIL)
    tick()
    (document,) = rowline.services.ledger.documents.list_all()
    bucket = Watched(rowline.services.bucket_inbox, FailsAt(1, TransientError("the bucket is away"), ["forget"]))
    with pytest.raises(TransientError):
        remove_document(replace(rowline.services.document_stores, inboxes=[bucket]), document.document_id)
    assert len(under(s3, ".taken")) == 1
    assert remove_document(rowline.services.document_stores, document.document_id).inbox_files_deleted == 1
    assert s3.stored() == []
