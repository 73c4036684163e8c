"""docs/how-to: the commands of each page run as they stand, and print what the page says.

Renew the output with `RENEW_PAGES=1 python -m pytest tests/test_how_to.py`, then read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from unittest import mock

import dagster as dg
import pytest

from operations.services import open_services
from sensors.notifications.alerts import alerts
from sensors.notifications.outbox import outbox
from settings.settings import PROJECT_ROOT
from tests.laws.command import Command
from tests.page_sessions import Session, matches
from tests.stand_ins.notice_receivers import SlackServer

PAGES = sorted((PROJECT_ROOT / "docs" / "how-to").glob("*.md"))
WEBHOOK = "https://hooks.slack.com/services/T0/B0/secret"
# what the page leaves to the defaults, against those of the fixture
DEFAULTS = {
    "BATCH_ROWS": "100",
    "EMBEDDING_PROVIDER": "local",
    "EMBEDDING_DIMENSIONS": "",
    "OPENAI_API_KEY": "",
    "OPENAI_BASE_URL": "",
}


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with SlackServer() as server:
        yield server


@pytest.fixture
def tick(rowline_command: Command) -> Callable[[Mapping[str, str]], None]:
    """What the daemon does meanwhile: looks for failures, sends what is due."""

    def run(environment: Mapping[str, str]) -> None:
        with (
            mock.patch.dict(os.environ, {**rowline_command.environment, **environment}),
            dg.DagsterInstance.ephemeral() as instance,
            dg.build_sensor_context(instance=instance) as context,
        ):
            services = open_services()
            try:
                alerts(context, ledger=services.ledger, settings=services.settings)
                if services.ledger.outbox.is_due():
                    outbox(context, ledger=services.ledger, channels=services.channels)
            finally:
                services.close()

    return run


@pytest.mark.parametrize("path", PAGES, ids=[path.stem for path in PAGES])
def test_the_commands_of_the_page_print_what_it_says(
    path: Path, rowline_command: Command, slack: SlackServer, tick: Callable[[Mapping[str, str]], None]
):
    alerting = {"replacements": {WEBHOOK: slack.url}, "after": tick} if path.stem == "alert" else {}
    session = Session(rowline_command, environment=dict(DEFAULTS), **alerting)
    renewed = session.play(path.read_text("utf-8"))
    assert session.exchanges, "the page has no console block"
    if "RENEW_PAGES" in os.environ:
        path.write_text(renewed, "utf-8")
    else:
        assert list(session.differences()) == []
    if path.stem == "alert":
        assert len(slack.shown) == 3, "the test message, the alert, the recovery"


def test_a_page_that_says_something_else_is_seen(rowline_command: Command):
    """A proof that cannot fail is none: a wrong line, a missing line, a line too many, a wrong exit code."""

    def differences(output: str) -> list[str]:
        session = Session(rowline_command)
        session.play(f"```console\n$ rowline documents --org nobody{output}\n```")
        return list(session.differences())

    assert differences("") == []
    assert differences("\n…") == []
    [difference] = differences("\ndoc_00000000000000000000000000000001  version 1")
    assert "page:\n<id 0>  version 1\nrun:" in difference
    assert matches(["a", "…", "c"], ["a", "b", "b", "c"])
    assert not matches(["a", "…", "c"], ["a", "b"])
    assert not matches(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="rowline"):
        Session(rowline_command).play("```console\n$ make test\n```")
