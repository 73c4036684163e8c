"""An error of one document stops no work on the others: it is collected, and raised at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from domain.errors import PermanentError

MAX_NAMED = 20  # in one message


@dataclass(slots=True)
class PartialFailures:
    """Documents that could not be done, and why. Transient errors are not caught: all of it is done again."""

    reasons: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def collect(self, document_id: str) -> Iterator[None]:
        try:
            yield
        except PermanentError as error:
            self.reasons[document_id] = str(error)

    def raise_if_any(self) -> None:
        """Raises PermanentError if there were any."""
        if not self.reasons:
            return
        named = [f"{document_id}: {reason}" for document_id, reason in self.reasons.items()][:MAX_NAMED]
        more = len(self.reasons) - len(named)
        raise PermanentError(
            f"{len(self.reasons)} of the documents could not be done, all others are. {'; '.join(named)}"
            + (f"; and {more} more" if more else "")
        )
