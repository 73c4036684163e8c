"""The frame: premises, time limits, broken checks, and nothing secret in what is told."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from domain.errors import TransientError
from gateway.doctor.context import Context
from gateway.doctor.results import Verdict, failed, fine, skipped, warned
from gateway.doctor.runner import Check, examine
from settings.errors import SettingError
from settings.settings import Settings

KEY = "sk-live-SECRET0123456789"
PASSWORD = "p%40ss-SECRET"


@pytest.fixture
def context(clean_environment: object) -> Context:
    return Context(Settings(openai_api_key=KEY, database_url=f"postgresql://app:{PASSWORD}@db/rowline"))


def says(verdict: Verdict) -> Callable[[Context], Verdict]:
    return lambda _: verdict


def told(context: Context, *checks: Check) -> list[tuple[str, str, str]]:
    return [(f.name, f.state, f.verdict.message) for f in examine(checks, context)]


def test_findings_come_in_the_order_of_the_list(context: Context):
    late = threading.Event()

    def waits(_: Context) -> Verdict:
        assert late.wait(5)
        return fine("late")

    def frees(_: Context) -> Verdict:
        late.set()
        return fine("early")

    assert [name for name, _, _ in told(context, Check("slow", waits, ""), Check("quick", frees, ""))] == [
        "slow",
        "quick",
    ]


def test_checks_run_at_the_same_time(context: Context):
    """Ten services that take their ten seconds must not add up: these two can only end together."""
    together = threading.Barrier(2, timeout=5)

    def meets(_: Context) -> Verdict:
        together.wait()
        return fine("met")

    assert {state for _, state, _ in told(context, Check("one", meets, ""), Check("other", meets, ""))} == {"ok"}


@pytest.mark.parametrize("premise", [failed("away"), skipped("not made yet"), warned("half there", "look")])
def test_what_rests_on_a_premise_is_not_looked_at_without_it(context: Context, premise: Verdict):
    """One database that is away is one failure, not ten."""
    asked = []
    checks = [
        Check("database", says(premise), ""),
        Check("schema", lambda _: asked.append("schema") or fine(""), "", ("database",)),
        Check("rights", lambda _: asked.append("rights") or fine(""), "", ("schema",)),
    ]
    findings = told(context, *checks)
    assert findings[1:] == [
        ("schema", "skipped", "not looked at: see database"),
        ("rights", "skipped", "not looked at: see database"),
    ]
    assert asked == []


def test_what_rests_on_a_wrong_setting_is_not_looked_at(clean_environment: object):
    error = SettingError("EMBEDDING_DIMENSIONS", "is no whole number", ("embedding_dimensions",))
    context = Context(Settings(), [error])
    checks = [
        Check("embedder", says(fine("never asked")), "", settings=("embedding_dimensions",)),
        Check("disk", says(fine("asked")), "", settings=("rowline_home",)),
    ]
    assert told(context, *checks) == [
        ("embedder", "skipped", "not looked at: EMBEDDING_DIMENSIONS is wrong"),
        ("disk", "ok", "asked"),
    ]


def test_a_check_that_hangs_is_given_up(context: Context):
    """The others are told, and the process can end: its thread does not keep it."""
    never = threading.Event()

    def hangs(_: Context) -> Verdict:
        never.wait()
        return fine("too late")

    try:
        [finding, other] = examine(
            [Check("hanging", hangs, "See the firewall", seconds=0.05), Check("other", says(fine("here")), "")], context
        )
        assert finding.as_json() == {
            "name": "hanging",
            "state": "failed",
            "message": "no answer within 0.05 s",
            "remedy": "See the firewall",
        }
        assert other.state == "ok"
        assert all(thread.daemon for thread in threading.enumerate() if "_look" in thread.name)
    finally:
        never.set()


def test_a_failure_that_a_person_can_be_told_is_the_finding(context: Context):
    def away(_: Context) -> Verdict:
        raise TransientError("Nobody listens at db:5432")

    [finding] = examine([Check("database", away, "Start it")], context)
    assert finding.verdict == failed("Nobody listens at db:5432", "Start it")


def test_a_check_that_breaks_is_told_as_a_defect_without_its_text(context: Context):
    """The text of a stranger's exception may hold anything (law 10)."""

    def broken(_: Context) -> Verdict:
        raise ZeroDivisionError(f"dividing {KEY}")

    [finding] = examine([Check("division", broken, "")], context)
    assert finding.state == "failed"
    assert "ZeroDivisionError" in finding.verdict.message
    assert "defect" in finding.verdict.message
    assert "dividing" not in str(finding)


def test_no_secret_of_the_settings_is_told_whoever_put_it_in(context: Context):
    def repeats(_: Context) -> Verdict:
        raise TransientError(f"The server said: {KEY} with {PASSWORD} or p@ss-SECRET is\nwrong")

    [finding] = examine([Check("server", repeats, f"Set another than {KEY}")], context)
    assert finding.verdict.message == "The server said: *** with *** or *** is wrong"
    assert "SECRET" not in str(finding)


def test_a_client_that_does_not_close_holds_up_nobody(context: Context):
    """A check that hangs may hold its client's lock, which closing waits for."""
    asked, never = threading.Event(), threading.Event()

    class Stuck:
        def close(self) -> None:
            asked.set()
            never.wait()

    context.services.__dict__["embedder"] = Stuck()
    try:
        context.close(0.1)
        assert asked.is_set()
    finally:
        never.set()
