"""Claims about a document that its asset checks prove: each a pure verdict over counted facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SAMPLE = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a claim holds, in one sentence, with the offending sample if it does not."""

    holds: bool
    sentence: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def rows_found(rows_in_file: int) -> Verdict:
    return Verdict(rows_in_file > 0, f"{rows_in_file} rows were found", {"rows": rows_in_file})


def row_counts_add_up(rows_in_file: int, outcomes: Mapping[str, int], rows_in_batches: int) -> Verdict:
    """No row is lost: kept + unchanged + duplicate + error are the rows of the file, and the batches hold each once."""
    counted = sum(outcomes.values())
    sentence = f"{' + '.join(f'{n} {name}' for name, n in outcomes.items())} = {counted} of {rows_in_file} rows"
    facts = {**outcomes, "rows_in_file": rows_in_file, "rows_in_batches": rows_in_batches}
    return Verdict(counted == rows_in_file == rows_in_batches, sentence, facts)


def no_error_rows(error_rows: int, sample: Sequence[Mapping[str, Any]]) -> Verdict:
    """A warning that blocks nothing: the other rows are processed."""
    return Verdict(error_rows == 0, f"{error_rows} rows have errors", {"errors": list(sample[:SAMPLE])})


def batches_complete(batches: Sequence[Mapping[str, Any]]) -> Verdict:
    open_batches = [batch["batchNumber"] for batch in batches if batch["status"] != "completed"]
    done = len(batches) - len(open_batches)
    return Verdict(not open_batches, f"{done} of {len(batches)} batches are complete", {"open": open_batches[:SAMPLE]})


def embeddings_sound(unsound: Mapping[str, int]) -> Verdict:
    sentence = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in unsound.items())
    return Verdict(not any(unsound.values()), sentence, dict(unsound))


def store_holds_vectors(checked: int, missing: Sequence[str]) -> Verdict:
    """What the ledger promises is in the store."""
    sentence = f"{checked - len(missing)} of {checked} vectors are in the store"
    return Verdict(not missing, sentence, {"missing": list(missing[:SAMPLE])})


def vectors_explained(checked: int, unexplained: Sequence[str]) -> Verdict:
    """The ledger can explain what is in the store."""
    sentence = f"{checked - len(unexplained)} of {checked} vectors of the store are explained by lineage"
    return Verdict(not unexplained, sentence, {"unexplained": list(unexplained[:SAMPLE])})


def store_matches_ledger(found: Mapping[str, int], samples: Mapping[str, Sequence[str]]) -> Verdict:
    """Ledger and store agree in both directions, over all vectors."""
    sentence = (
        f"{found['checked']} vectors: {found['missing']} missing, {found['stale']} of old versions, "
        f"{found['orphaned']} that nothing explains"
    )
    drifted = found["missing"] + found["stale"] + found["orphaned"]
    return Verdict(drifted == 0, sentence, {**found, "samples": dict(samples)})


def version_live(version: int, live_version: int | None) -> Verdict:
    return Verdict(live_version == version, f"live is version {live_version}, processed was {version}")
