"""What can be said of the settings without asking anybody: keys, addresses, `.env`, and what production forbids."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.doctor import settings as look
from gateway.doctor.context import Context
from gateway.doctor.results import State
from settings.errors import is_placeholder
from settings.settings import Settings

GOOD = "sk-proj-4Jx9QmVb7TzR2LkW8nYc"
OTHER = "pcsk_7fYw3_KdPqL9vXbN2mRtZ8cHs"


@pytest.fixture
def context(clean_environment: Path) -> Callable[..., Context]:
    """An examination of settings that are passed, with a home of its own."""

    def context(production: bool = False, **settings: object) -> Context:
        return Context(Settings(rowline_home=clean_environment / "home", **settings), production=production)

    return context


@pytest.mark.parametrize(
    ("key", "used", "development", "production", "word"),
    [
        (GOOD, True, "ok", "ok", "28 characters"),
        ("your-api-key-here", False, "warning", "warning", "text of an example, though nothing uses it"),
        ("sk-short", True, "warning", "failed", "has 8 characters"),
        ("k", True, "warning", "failed", "has 1 character;"),
        ("sk-test-4Jx9QmVb7TzR2LkW8nYc", True, "ok", "failed", "for trials"),
        (OTHER, True, "warning", "failed", "same as PINECONE_API_KEY"),
        (None, False, "skipped", "skipped", "not set"),
    ],
)
def test_keys_are_real_long_and_used_for_one_thing(
    context: Callable[..., Context], key: str | None, used: bool, development: State, production: State, word: str
):
    provider = {"embedding_provider": "openai"} if used else {}
    given = {"openai_api_key": key, "pinecone_api_key": OTHER} | provider
    assert look.key("openai_api_key", context(**given)).state == development
    told = look.key("openai_api_key", context(production=True, **given))
    assert told.state == production
    assert word in told.message
    assert key is None or len(key) == 1 or key not in str(told)


@pytest.mark.parametrize(
    "text",
    [
        "changeme",
        "CHANGE-ME",
        "change_this",
        "xxx",
        "sk-xxxxxxxx",
        "sk-...",
        "your-api-key",
        "<your key>",
        "<KEY>",
        "todo",
        "replace-me",
        "sk-your-key",
        "key-goes-here",
        "여기…",
    ],
)
def test_what_examples_hold_is_known(text: str):
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text",
    [GOOD, OTHER, "rowline", "premiums-ko", "text-embedding-3-small", "s3://bucket/prefix", "https://host:9000/v1"],
)
def test_what_is_real_is_taken_for_real(text: str):
    assert not is_placeholder(text)


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("http://pinecone.example", True),
        ("http://10.0.0.5:9000", True),
        ("http://127.0.0.1:5080", False),
        ("http://[::1]:5080", False),
        ("http://localhost:9000", False),
        ("https://api.openai.com/v1", False),
        ("my-index-abc.svc.pinecone.io", False),
    ],
)
def test_plain_http_is_for_this_computer_only(context: Callable[..., Context], address: str, plain: bool):
    """A key would travel readable."""
    given = {"openai_base_url": address}
    assert look.addresses(context(**given)).state == ("warning" if plain else "ok")
    told = look.addresses(context(production=True, **given))
    assert told.state == ("failed" if plain else "ok")
    assert ("OPENAI_BASE_URL is plain http" in told.message) is plain


@pytest.mark.parametrize(
    ("url", "production"),
    [
        ("postgresql://app:changeme@db/rowline", "failed"),
        ("postgresql://postgres:postgres@db/rowline", "failed"),
        ("postgresql://app:short@db/rowline", "failed"),
        ("postgresql://app:4Jx9QmVb7TzR2LkW@db/rowline", "ok"),
        ("postgresql://app@db/rowline?sslcert=app.crt", "skipped"),
    ],
)
def test_a_password_that_anybody_would_try_is_told(context: Callable[..., Context], url: str, production: State):
    assert look.database_password(context(production=True, database_url=url)).state == production
    assert look.database_password(context(database_url=url)).state == production.replace("failed", "warning")


@pytest.mark.parametrize(
    ("mode", "production", "state"), [(0o600, True, "ok"), (0o644, True, "warning"), (0o644, False, "ok")]
)
def test_the_file_of_secrets_is_for_its_owner(
    context: Callable[..., Context], clean_environment: Path, mode: int, production: bool, state: State
):
    file = clean_environment / ".env"
    file.write_text("BATCH_ROWS=7\n")
    file.chmod(mode)
    told = look.dotenv_rights(context(production))
    assert told.state == state
    if state == "warning":
        assert told.remedy == f"chmod 600 {file}"


def test_without_a_file_there_is_nothing_to_protect(context: Callable[..., Context]):
    assert look.dotenv_rights(context()).state == "skipped"


class Disk(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(("gib", "state"), [(0.1, "failed"), (2, "warning"), (80, "ok")])
def test_a_disk_is_told_before_it_is_full(
    context: Callable[..., Context], monkeypatch: pytest.MonkeyPatch, gib: float, state: State
):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(100, 0, int(gib * 2**30)))
    told = look.disk_space(context())
    assert (told.state, told.message.partition(" are")[0]) == (state, f"{gib:.1f} GiB")


def test_a_relative_folder_for_objects_is_told(context: Callable[..., Context], clean_environment: Path):
    """The daemon and the command run in different folders, and would not find each other's uploads."""
    told = look.object_store_kind(context(object_store="objects"))
    assert (told.state, str(clean_environment / "objects") in told.message) == ("warning", True)
    assert look.object_store_kind(context(object_store=str(clean_environment / "objects"))).state == "ok"


def test_production_names_each_value_of_a_laptop(context: Callable[..., Context]):
    """Only the two that lose data or lie fail; the folder and the local model are a choice."""
    laptop, production = context(), context(production=True)
    checks = (look.environment, look.embedded_database, look.object_store_kind, look.embedder_kind)
    assert [check(laptop).state for check in checks] == ["ok"] * 4
    assert [check(production).state for check in checks] == ["failed", "failed", "warning", "warning"]
    assert all(check(production).remedy for check in checks)
    ready = context(
        production=True,
        environment="production",
        database_url="postgresql://db/rowline",
        object_store="s3://bucket/rowline",
        embedding_provider="openai",
        openai_api_key=GOOD,
    )
    assert [check(ready).state for check in checks] == ["ok"] * 4
