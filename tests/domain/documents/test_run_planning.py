"""What the sensors decide: one run a document, files that have stopped growing, keys that are honoured once."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.documents.identifiers import mint_document_id
from domain.documents.inbox_files import (
    InboxFile,
    complete_files,
    ignored_name,
    is_about_the_file,
    organization_of,
    shortened,
    template_folder,
)
from domain.documents.run_planning import (
    MAX_GROUP_DOCUMENTS,
    SINGLE_RUN_THRESHOLD,
    SMALL_BYTES,
    GroupRequestPlan,
    RunRequestPlan,
    plan_runs,
)
from domain.errors import (
    ConfigurationError,
    InvalidRequest,
    PermanentError,
    RowlineError,
    TransientError,
    UnreadableFile,
)
from tests.domain.documents.examples import any_text, patiently


@dataclass(frozen=True)
class Upload:
    document_id: str
    version: int
    attempt: int = 1
    byte_size: int = 1000
    deferred: bool = False


uploads = st.builds(Upload, st.sampled_from("abcd"), st.integers(1, 5), st.integers(1, 3))
files = st.builds(InboxFile, st.just("acme"), any_text, st.integers(0, 10**12), st.integers(0, 2**62))


# -- runs -------------------------------------------------------------------------------------------------------


@patiently
@given(st.lists(uploads, unique_by=lambda upload: (upload.document_id, upload.version)))
def test_each_waiting_document_gets_one_run_for_its_newest_version(waiting: list[Upload]) -> None:
    """However the ledger orders them; two versions of a document never run for nothing."""
    wanted = plan_runs(waiting)
    newest: dict[str, Upload] = {}
    for upload in waiting:
        newest[upload.document_id] = max(newest.get(upload.document_id, upload), upload, key=lambda each: each.version)
    assert {(run.document_id, run.version, run.attempt) for run in wanted if isinstance(run, RunRequestPlan)} == {
        (upload.document_id, upload.version, upload.attempt) for upload in newest.values()
    }
    assert len(wanted) == len(newest)


def test_runs_come_in_the_order_of_upload() -> None:
    """A burst of uploads by one does not overtake a document that waits since before."""
    waiting = [Upload("first", 1), Upload("second", 1), Upload("third", 1), Upload("first", 2)]
    assert [run.document_id for run in plan_runs(waiting) if isinstance(run, RunRequestPlan)] == [
        "first",
        "second",
        "third",
    ]


names = [f"doc_{number}" for number in range(400)]
bursts = st.lists(
    st.builds(
        Upload,
        st.sampled_from(names),
        st.integers(1, 3),
        st.sampled_from([1, 1, 1, 1, 2]),
        st.sampled_from([1, 1000, SMALL_BYTES, SMALL_BYTES + 1]),
        st.sampled_from([False, False, False, True]),
    ),
    unique_by=lambda upload: (upload.document_id, upload.version),
    max_size=300,
)


@patiently
@given(bursts, st.integers(1, 8))
def test_however_runs_are_shared_each_document_is_in_one_run_with_its_newest_version(
    waiting: list[Upload], places: int
) -> None:
    wanted = plan_runs(waiting, places)
    runs = [run for one in wanted for run in (one.runs if isinstance(one, GroupRequestPlan) else (one,))]
    newest: dict[str, Upload] = {}
    for upload in waiting:
        newest[upload.document_id] = max(newest.get(upload.document_id, upload), upload, key=lambda each: each.version)
    assert sorted((run.document_id, run.version, run.attempt) for run in runs) == sorted(
        (upload.document_id, upload.version, upload.attempt) for upload in newest.values()
    )
    assert len({one.run_key for one in wanted}) == len(wanted)


@patiently
@given(bursts, st.integers(1, 8))
def test_groups_are_bounded_fill_every_place_and_hold_what_harms_nobody(waiting: list[Upload], places: int) -> None:
    """Attempts after a first one, large files and what may wait for a service have runs of their own."""
    groups = [one for one in plan_runs(waiting, places) if isinstance(one, GroupRequestPlan)]
    by_name = {(upload.document_id, upload.version): upload for upload in waiting}
    for group in groups:
        assert 1 <= len(group.runs) <= MAX_GROUP_DOCUMENTS
        for run in group.runs:
            upload = by_name[run.document_id, run.version]
            assert (upload.attempt, upload.deferred) == (1, False)
            assert upload.byte_size <= SMALL_BYTES
    if groups:
        sizes = [len(group.runs) for group in groups]
        assert sum(sizes) > SINGLE_RUN_THRESHOLD
        assert len(groups) >= min(places, sum(sizes))
        assert max(sizes) - min(sizes) <= 1


def test_a_few_uploads_get_a_run_each_and_one_more_shares() -> None:
    few = [Upload(f"doc_{number}", 1) for number in range(SINGLE_RUN_THRESHOLD)]
    assert plan_runs(few, 4) == [RunRequestPlan(upload.document_id, 1, 1) for upload in few]
    assert [len(group.runs) for group in groups_of([*few, Upload("one more", 1)], 4)] == [2, 2, 2, 3]


def test_five_hundred_uploads_are_ten_runs_in_the_order_of_upload() -> None:
    waiting = [Upload(f"doc_{number:03}", 1) for number in range(500)]
    groups = groups_of(waiting, 4)
    assert [len(group.runs) for group in groups] == [50] * 10
    assert [run.document_id for group in groups for run in group.runs] == [upload.document_id for upload in waiting]


def test_the_same_group_has_the_same_key_and_another_one_another() -> None:
    first, again = (groups_of([Upload(f"doc_{number}", 1) for number in range(9)], 1) for _ in range(2))
    other = groups_of([Upload(f"doc_{number}", 1) for number in range(10)], 1)
    assert first[0].run_key == again[0].run_key != other[0].run_key


def groups_of(waiting: list[Upload], places: int) -> list[GroupRequestPlan]:
    return [one for one in plan_runs(waiting, places) if isinstance(one, GroupRequestPlan)]


def test_nothing_waiting_nothing_wanted() -> None:
    assert plan_runs([]) == []


@patiently
@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_run_key_says_what_it_was_made_of(version: int, attempt: int) -> None:
    wanted = RunRequestPlan(mint_document_id(), version, attempt)
    assert RunRequestPlan.from_key(wanted.run_key) == wanted


def test_a_retry_is_another_run_and_asking_twice_is_not() -> None:
    """Dagster starts no second run for a key it knows (law 4)."""
    assert RunRequestPlan("doc", 1, 1).run_key == RunRequestPlan("doc", 1, 1).run_key
    keys = [
        RunRequestPlan("doc", 1, 1),
        RunRequestPlan("doc", 1, 2),
        RunRequestPlan("doc", 2, 1),
        RunRequestPlan("cod", 1, 1),
    ]
    assert len({run.run_key for run in keys}) == 4


@pytest.mark.parametrize("key", ["", "doc", "doc:1", "doc:one:1", "doc:1:1:1"])
def test_a_broken_run_key_is_never_taken_for_a_run(key: str) -> None:
    with pytest.raises(ValueError, match=r"unpack|invalid literal"):
        RunRequestPlan.from_key(key)


# -- the inbox --------------------------------------------------------------------------------------------------


def file(path: str = "acme/a.xlsx", byte_size: int = 10, changed_ns: int = 1) -> InboxFile:
    return InboxFile("acme", path, byte_size, changed_ns)


def test_a_file_is_complete_when_it_has_not_changed_between_two_looks() -> None:
    assert complete_files([file()], {"acme/a.xlsx": "10:1"}) == [file()]


@pytest.mark.parametrize(
    "before",
    [
        {},  # seen for the first time
        {"acme/a.xlsx": "9:1"},  # it grows
        {"acme/a.xlsx": "10:0"},  # it is written again
        {"acme/a.xlsx": "11:1"},  # it was replaced
        {"acme/b.xlsx": "10:1"},  # that was another one
    ],
)
def test_a_file_that_is_still_being_copied_waits(before: dict[str, str]) -> None:
    assert complete_files([file()], before) == []


@patiently
@given(st.lists(files, unique_by=lambda each: each.path), st.lists(files, unique_by=lambda each: each.path))
def test_complete_files_are_those_of_both_looks_in_order(first: list[InboxFile], second: list[InboxFile]) -> None:
    before = {each.path: each.signature for each in first}
    assert complete_files(second, before) == [each for each in second if each in first]
    assert complete_files(first, before) == first


def test_a_file_that_went_away_is_not_taken() -> None:
    assert complete_files([], {"acme/a.xlsx": "10:1"}) == []


def test_the_upload_key_is_that_of_the_file_as_it_lies_there() -> None:
    assert file().upload_key == "inbox:acme/a.xlsx:10:1"
    assert file().upload_key == file().upload_key


@patiently
@given(files, files)
def test_two_files_share_an_upload_key_only_if_they_are_one(one: InboxFile, other: InboxFile) -> None:
    """Also where a name holds the colons that part the key."""
    assert (one.upload_key == other.upload_key) == (one == other)


@pytest.mark.parametrize(
    "name", [".taken", ".refused", ".DS_Store", "~$salaries.xlsx", "a.xlsx.part", "a.crdownload", "a.tmp", "a.filepart"]
)
def test_names_of_files_that_are_not_there_to_be_read_are_ignored(name: str) -> None:
    assert ignored_name(name)


@pytest.mark.parametrize("name", ["a.xlsx", "급여 2024.xlsx", "~a.csv", "part.csv", "a.part.xlsx", "tmp", "$a.xlsx"])
def test_other_names_are_read(name: str) -> None:
    assert not ignored_name(name)


# -- what an inbox holds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "organization"),
    [
        ("acme/a.csv", "acme"),
        ("acme/staff/a.csv", "acme"),
        ("a.csv", None),
        ("acme/.taken/doc/a.csv", None),
        ("acme/", "acme"),
        ("/a.csv", ""),
        (".hidden/a.csv", None),
    ],
)
def test_a_file_belongs_to_the_first_folder_of_its_path(path: str, organization: str | None) -> None:
    """An empty name is nobody's organization, but its file is refused with a reason and not passed over."""
    assert organization_of(path) == organization


@pytest.mark.parametrize(("path", "name"), [("acme/a.csv", None), ("acme/staff/a.csv", "staff"), ("acme//a.csv", "")])
def test_the_folder_between_names_the_template(path: str, name: str | None) -> None:
    assert template_folder(path) == name


@pytest.mark.parametrize("path", ["acme/a/b/c.csv", "acme/a\0b.csv"])
def test_a_path_that_means_nothing_is_refused(path: str) -> None:
    with pytest.raises(InvalidRequest, match=r"lies too deep|holds a NUL"):
        template_folder(path)


def test_a_bucket_and_a_folder_share_no_upload_key() -> None:
    assert replace(file(), etag='"0"').upload_key == 'bucket:acme/a.xlsx:10:1:"0"'
    assert replace(file(), etag='"0"').upload_key != file().upload_key


@pytest.mark.parametrize("failure", [InvalidRequest("x"), UnreadableFile("x")])
def test_what_is_about_the_file_refuses_it(failure: RowlineError) -> None:
    assert is_about_the_file(failure)


@pytest.mark.parametrize("failure", [TransientError("x"), PermanentError("x"), ConfigurationError("x")])
def test_what_is_not_about_the_file_leaves_it(failure: RowlineError) -> None:
    """A full disk or a wrong key must not throw good files out."""
    assert not is_about_the_file(failure)


@patiently
@given(any_text, st.integers(4, 300))
def test_a_shortened_name_fits_and_keeps_its_end(name: str, most_bytes: int) -> None:
    short = shortened(name, most_bytes)
    assert len(short.encode()) <= most_bytes
    assert name.endswith(short)
    assert short == name or len(name.encode()) > most_bytes
