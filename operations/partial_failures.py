"""One document's trouble stops no work on the others: it is noted, and told at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from domain.errors import PermanentError

TOLD = 20  # in one sentence


@dataclass(slots=True)
class PartialFailures:
    """Documents that could not be done, and why. What is transient is not caught: all of it is done again."""

    reasons: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def collect(self, document_id: str) -> Iterator[None]:
        try:
            yield
        except PermanentError as failure:
            self.reasons[document_id] = str(failure)

    def raise_if_any(self) -> None:
        """Raises PermanentError where there were any."""
        if not self.reasons:
            return
        told = [f"{document_id}: {reason}" for document_id, reason in self.reasons.items()][:TOLD]
        more = len(self.reasons) - len(told)
        raise PermanentError(
            f"{len(self.reasons)} of the documents could not be done, all others are. {'; '.join(told)}"
            + (f"; and {more} more" if more else "")
        )
