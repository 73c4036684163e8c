"""What a check finds: a state, one sentence, and what to do."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check says. The remedy is an order to a person, without the reason."""

    state: State
    message: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict under the name of its check."""

    name: str
    verdict: Verdict

    @property
    def state(self) -> State:
        return self.verdict.state

    def as_json(self) -> dict[str, str | None]:
        return {
            "name": self.name,
            "state": self.verdict.state,
            "message": self.verdict.message,
            "remedy": self.verdict.remedy,
        }


def fine(message: str) -> Verdict:
    return Verdict("ok", message)


def warned(message: str, remedy: str) -> Verdict:
    return Verdict("warning", message, remedy)


def failed(message: str, remedy: str | None = None) -> Verdict:
    return Verdict("failed", message, remedy)


def skipped(reason: str) -> Verdict:
    return Verdict("skipped", reason)
