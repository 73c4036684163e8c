"""Clocks: compared with the database's and with the Date of the services, in both directions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.doctor import clocks, databases
from gateway.doctor.context import Context
from gateway.doctor.results import State
from resources.web_clock import web_time
from settings.settings import Settings
from tests.stand_ins.openai_server import KEY, OpenAIServer

WRONG = [(0, "ok"), (4, "ok"), (20, "warning"), (-20, "warning"), (100, "failed"), (-100, "failed")]


@pytest.mark.parametrize(("seconds", "state"), WRONG)
def test_our_clock_is_compared_with_the_databases(
    database_url: str, clean_environment: Path, seconds: int, state: State
):
    here = Context(Settings(database_url=database_url), clock=lambda: datetime.now(UTC) + timedelta(seconds=seconds))
    told = databases.clock(here)
    assert told.state == state
    if state != "ok":
        assert ("behind" in told.message) is (seconds > 0)
        assert f"{abs(seconds)} s" in told.message


@pytest.mark.parametrize(("seconds", "state"), [(0, "ok"), (20, "warning"), (-100, "failed")])
def test_our_clock_is_compared_with_the_services(
    openai: OpenAIServer, clean_environment: Path, seconds: int, state: State
):
    settings = Settings(embedding_provider="openai", openai_api_key=KEY, openai_base_url=openai.base_url)
    here = Context(settings, clock=lambda: datetime.now(UTC) + timedelta(seconds=seconds))
    told = clocks.service_clocks(here)
    assert told.state == state
    assert "the embedding service" in told.message


def test_services_that_are_away_or_not_used_have_no_clock(clean_environment: Path):
    """Whether they answer is another check's to say."""
    assert clocks.service_clocks(Context(Settings())).state == "skipped"
    away = Settings(embedding_provider="openai", openai_api_key=KEY, openai_base_url="http://127.0.0.1:1/v1")
    assert clocks.service_clocks(Context(away)).state == "skipped"


@pytest.mark.parametrize("address", ["http://", "ftp://host", "http://[", "nonsense address"])
def test_what_is_no_address_has_no_time(address: str):
    assert web_time(address, timeout=0.1) is None


def test_the_time_is_asked_for_without_a_key(openai: OpenAIServer):
    assert abs(web_time(openai.base_url) - datetime.now(UTC)) < timedelta(seconds=3)
    assert openai.stats.requests == 0
