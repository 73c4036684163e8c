"""Looking at everything at once: each check in a thread of its own, within its own time limit."""

import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass

from domain.errors import RowlineError
from gateway.doctor.context import Context
from gateway.doctor.results import Finding, Verdict, failed, skipped

NOT_CHECKED = "not looked at"
SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the list: what it looks at, and what has to be right for looking to make sense.

    `premises` are names of checks further up, which all have to be fine; `settings` are the fields it relies on.
    """

    name: str
    look: Callable[[Context], Verdict]
    remedy: str
    premises: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    seconds: float = SECONDS


def examine(checks: Sequence[Check], context: Context) -> list[Finding]:
    """What all checks find, in their order. Takes as long as the slowest chain of premises, not as their sum."""
    verdicts: list[Future[Verdict]] = [Future() for _ in checks]
    by_name: dict[str, Future[Verdict]] = {}
    for check, verdict in zip(checks, verdicts, strict=True):
        premises = {name: by_name[name] for name in check.premises if name in by_name}
        _in_background(_decide, check, context, premises, verdict)
        by_name[check.name] = verdict
    return [
        Finding(check.name, _shown(verdict.result(), context)) for check, verdict in zip(checks, verdicts, strict=True)
    ]


def _decide(check: Check, context: Context, premises: dict[str, Future[Verdict]], verdict: Future[Verdict]) -> None:
    """Fill in the verdict: of the premises, of the check, or that it took too long."""
    wrong = [error for error in context.setting_errors if set(error.fields) & set(check.settings)]
    if wrong:
        verdict.set_result(skipped(f"{NOT_CHECKED}: {wrong[0].name} is wrong"))
        return
    for name, premise in premises.items():
        if premise.result().state != "ok":
            verdict.set_result(_without(name, premise.result()))
            return
    _in_background(_look, check, context, verdict)
    try:
        verdict.result(check.seconds)
    except TimeoutError:
        with suppress(InvalidStateError):  # it came through at the last moment
            verdict.set_result(failed(f"no answer within {check.seconds:g} s", check.remedy))


def _without(name: str, premise: Verdict) -> Verdict:
    """Names the first thing that is missing, not the last one that could not be looked at because of it."""
    return premise if premise.message.startswith(NOT_CHECKED) else skipped(f"{NOT_CHECKED}: see {name}")


def _look(check: Check, context: Context, verdict: Future[Verdict]) -> None:
    try:
        found = check.look(context)
    except RowlineError as error:
        found = failed(str(error), check.remedy)
    except Exception as error:  # noqa: BLE001 – the boundary: one broken check must not hide what the others found
        found = failed(
            f"the check itself broke ({type(error).__name__} at {place(error)}); this is a defect of Rowline",
            "Report it, with this line",
        )
    with suppress(InvalidStateError):  # it was given up in the meantime
        verdict.set_result(found)


def place(error: Exception) -> str:
    """File and line where it was raised: unlike its text, they hold nothing secret."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename.rpartition('site-packages/')[2]}:{last.lineno}"


def _in_background(work: Callable[..., None], *arguments: object) -> None:
    """A thread that does not keep the process alive: what hangs is left behind at the end."""
    threading.Thread(target=work, args=arguments, daemon=True).start()


def _shown(verdict: Verdict, context: Context) -> Verdict:
    remedy = None if verdict.remedy is None else context.without_secrets(verdict.remedy)
    return Verdict(verdict.state, context.without_secrets(" ".join(verdict.message.split())), remedy)
