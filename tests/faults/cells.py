"""The cells of the matrix: service × point × fault × how long, and what must come of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tests.grids import LIKE_OTHERS

PASSES = ("slow",)  # late, but in time
PASSES_WITH_A_RETRY = (
    "rate_limit",
    "server_error",
    "unavailable",
    "reset_before",
    "reset_after",
    "timeout",
    "truncated",
    "garbage",
)
FOR_GOOD = ("wrong_key", "missing", "quota_full")  # a person has to change something first
POINTS = {
    "OpenAI": ("embeddings",),
    "Pinecone": ("describe", "upsert", "query", "delete", "list"),
    "S3": ("get", "put"),
}
# What each service has no word for.
UNKNOWN = {
    ("Pinecone", "describe", "quota_full"),
    ("Pinecone", "query", "quota_full"),
    ("Pinecone", "delete", "quota_full"),
    ("Pinecone", "list", "quota_full"),
    ("S3", "get", "quota_full"),
}
# The version is live before its old vectors go and its last checks look: then only the run fails.
AFTER_THE_FLIP = {("Pinecone", "delete"), ("Pinecone", "list")}
# Answers on their way that never arrive are paid all the same.
ANSWERS_LOST = ("reset_after", "timeout", "truncated", "garbage")


@dataclass(frozen=True, slots=True)
class Cell:
    """A fault of a service at a point; `always`: from then on, else once."""

    service: str
    point: str
    kind: str
    always: bool

    def __str__(self) -> str:
        return f"{self.service}-{self.point}-{self.kind}-{'always' if self.always else 'once'}"

    @property
    def is_long(self) -> bool:
        """Left to `make test-long`: kinds that end as others do."""
        if self.kind in LIKE_OTHERS:
            return True
        if not self.always:
            return self.kind in (
                *FOR_GOOD,
                "garbage",
                "timeout",
            )  # as always, or as reset_after
        return self.kind == "timeout" and self.point in ("describe", "query", "list", "put")  # as upsert, delete, get

    @property
    def ends(self) -> str:
        """How the run must leave the version: completed or failed."""
        if self.kind in PASSES or (self.kind in PASSES_WITH_A_RETRY and not self.always):
            return "completed"
        return "completed" if (self.service, self.point) in AFTER_THE_FLIP else "failed"

    @property
    def run_succeeds(self) -> bool:
        """Whether Dagster's run does: not where the version is live and something after it went wrong for good."""
        if (self.service, self.point, self.kind) == ("Pinecone", "delete", "garbage"):
            return True  # the SDK takes any 200 to a delete for done; vector-sync finds what is left
        return self.kind in PASSES or (self.kind in PASSES_WITH_A_RETRY and not self.always)

    def paid_at_most(self, inputs: int, of_request: int) -> int:
        """Inputs billed until the retry is through: a lost answer is asked for once more, and by no further step."""
        if self.service != "OpenAI" or self.kind not in ANSWERS_LOST:
            return inputs
        return 3 * inputs if self.always else inputs + of_request


def cells() -> Iterator[Cell]:
    for service, points in POINTS.items():
        for point, kind, always in product(points, (*PASSES, *PASSES_WITH_A_RETRY, *FOR_GOOD), (False, True)):
            if (service, point, kind) not in UNKNOWN and (always or kind not in PASSES):
                yield Cell(service, point, kind, always)
