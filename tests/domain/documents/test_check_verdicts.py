"""Every claim of the asset checks: once it holds, once it does not, with the sample that shows it."""

import json

import pytest

from domain.documents import check_verdicts
from domain.documents.check_verdicts import SAMPLE, Verdict

OUTCOMES = {"kept": 90, "unchanged": 5, "duplicate": 3, "error": 2}


def batch(number: int, status: str = "completed") -> dict[str, object]:
    return {"batchNumber": number, "status": status}


def test_rows_found() -> None:
    assert check_verdicts.rows_found(1) == Verdict(True, "1 rows were found", {"rows": 1})
    assert check_verdicts.rows_found(0) == Verdict(False, "0 rows were found", {"rows": 0})


def test_row_counts_that_add_up() -> None:
    verdict = check_verdicts.row_counts_add_up(100, OUTCOMES, 100)
    assert verdict.holds
    assert verdict.sentence == "90 kept + 5 unchanged + 3 duplicate + 2 error = 100 of 100 rows"
    assert verdict.facts == {**OUTCOMES, "rows_in_file": 100, "rows_in_batches": 100}


@pytest.mark.parametrize(
    ("in_file", "outcomes", "in_batches"),
    [
        (101, OUTCOMES, 101),  # a row of the file has no outcome
        (99, OUTCOMES, 99),  # a row has two
        (100, OUTCOMES, 99),  # a row is in no batch
        (100, OUTCOMES, 101),  # a row is in two
        (100, {**OUTCOMES, "error": 0}, 100),  # the error rows were dropped
        (0, OUTCOMES, 0),
    ],
)
def test_row_counts_that_do_not_add_up(in_file: int, outcomes: dict[str, int], in_batches: int) -> None:
    """Law 3: nothing is lost silently, wherever it was lost."""
    verdict = check_verdicts.row_counts_add_up(in_file, outcomes, in_batches)
    assert not verdict.holds
    assert verdict.facts["rows_in_file"] == in_file
    assert verdict.facts["rows_in_batches"] == in_batches


def test_no_error_rows() -> None:
    assert check_verdicts.no_error_rows(0, []) == Verdict(True, "0 rows have errors", {"errors": []})


def test_error_rows_are_shown_and_a_few_are_enough() -> None:
    errors = [{"rowNumber": number, "message": "employee E9 is unknown"} for number in range(50)]
    verdict = check_verdicts.no_error_rows(50, errors)
    assert not verdict.holds
    assert verdict.sentence == "50 rows have errors"
    assert verdict.facts["errors"] == errors[:SAMPLE]


def test_the_count_decides_and_not_the_sample() -> None:
    """The sample is cut off in the database; a count of more than it holds is still a failure."""
    assert not check_verdicts.no_error_rows(1, []).holds


def test_batches_complete() -> None:
    assert check_verdicts.batches_complete([batch(1), batch(2)]) == Verdict(
        True, "2 of 2 batches are complete", {"open": []}
    )


@pytest.mark.parametrize("status", ["pending", "processing", "failed"])
def test_a_batch_that_is_not_complete_is_named(status: str) -> None:
    verdict = check_verdicts.batches_complete([batch(1), batch(2, status), batch(3)])
    assert verdict == Verdict(False, "2 of 3 batches are complete", {"open": [2]})


def test_embeddings_sound() -> None:
    verdict = check_verdicts.embeddings_sound({"missing": 0, "wrong_dimension": 0})
    assert verdict == Verdict(True, "0 missing, 0 wrong dimension", {"missing": 0, "wrong_dimension": 0})


@pytest.mark.parametrize("kind", ["missing", "wrong_dimension", "zero"])
def test_one_unsound_embedding_is_enough(kind: str) -> None:
    facts = {"missing": 0, "wrong_dimension": 0, "zero": 0} | {kind: 1}
    verdict = check_verdicts.embeddings_sound(facts)
    assert not verdict.holds
    assert f"1 {kind.replace('_', ' ')}" in verdict.sentence
    assert verdict.facts == facts


def test_store_holds_vectors() -> None:
    assert check_verdicts.store_holds_vectors(3, []) == Verdict(
        True, "3 of 3 vectors are in the store", {"missing": []}
    )


def test_vectors_missing_from_the_store_are_named() -> None:
    missing = [f"v{number}" for number in range(30)]
    verdict = check_verdicts.store_holds_vectors(100, missing)
    assert verdict == Verdict(False, "70 of 100 vectors are in the store", {"missing": missing[:SAMPLE]})


def test_vectors_explained() -> None:
    verdict = check_verdicts.vectors_explained(3, [])
    assert verdict == Verdict(True, "3 of 3 vectors of the store are explained by lineage", {"unexplained": []})


def test_vectors_that_nothing_explains_are_named() -> None:
    verdict = check_verdicts.vectors_explained(3, ["stale"])
    assert not verdict.holds
    assert verdict.sentence == "2 of 3 vectors of the store are explained by lineage"
    assert verdict.facts == {"unexplained": ["stale"]}


def test_version_live() -> None:
    assert check_verdicts.version_live(2, 2) == Verdict(True, "live is version 2, processed was 2")


@pytest.mark.parametrize("live", [None, 1, 3])
def test_a_version_that_is_not_live_is_told_with_the_one_that_is(live: int | None) -> None:
    assert check_verdicts.version_live(2, live) == Verdict(False, f"live is version {live}, processed was 2")


def test_facts_fit_into_dagsters_metadata() -> None:
    """They go into the event log as they are: plain JSON, and small."""
    many = [f"00000000-0000-0000-0000-{number:012d}" for number in range(10_000)]
    for verdict in (check_verdicts.store_holds_vectors(10_000, many), check_verdicts.vectors_explained(10_000, many)):
        assert len(json.dumps(dict(verdict.facts))) < 2000
