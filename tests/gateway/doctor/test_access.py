"""The way in: what the doctor says of keys, names, origins, addresses, and what does not start in production (D13)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from gateway.doctor import access, settings
from gateway.doctor.context import Context
from gateway.doctor.results import State, Verdict
from settings.settings import Settings, load_settings, load_valid_settings

GOOD = "event-key-of-the-apps-0123456789abcdef"
SIGNING = "signkey-prod-" + "0123456789abcdef" * 4


@pytest.fixture
def context(clean_environment: Path) -> Callable[..., Context]:
    def context(production: bool = False, **settings: object) -> Context:
        return Context(Settings(_env_file=None, **settings), production=production)  # type: ignore[arg-type]

    return context


@pytest.mark.parametrize("name", ["INNGEST_EVENT_KEY", "INNGEST_SIGNING_KEY", "INNGEST_SIGNING_KEY_FALLBACK"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("your-event-key-goes-here-0123456789abcdef", "still holds the text of an example"),
        ("changeme", "still holds the text of an example"),
        ("k" * 31, "has 31 characters, and needs 32"),
    ],
)
def test_weak_keys_stop_all_but_development(
    clean_environment: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    """A5: named, never shown; in development the doctor tells it, and work goes on."""
    monkeypatch.setenv(name, value)
    assert load_settings().environment == "development"
    for environment in ("preview", "production"):
        monkeypatch.setenv("ENVIRONMENT", environment)
        with pytest.raises(ConfigurationError) as told:
            load_settings()
        assert str(told.value) == (f"Settings are wrong: {name}: {reason}; ENVIRONMENT={environment} needs a real key")
        settings, errors = load_valid_settings()
        assert (settings.environment, [error.name for error in errors]) == (environment, [name])


def test_good_keys_start_everywhere(clean_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNGEST_EVENT_KEY", GOOD)
    monkeypatch.setenv("INNGEST_SIGNING_KEY", SIGNING)
    for environment in ("development", "preview", "production"):
        monkeypatch.setenv("ENVIRONMENT", environment)
        assert load_settings().inngest_event_key is not None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CORS_ORIGINS", "https://a.example.com/path", "must be origins like"),
        ("CORS_ORIGINS", "a.example.com", "must be origins like"),
        ("TRUSTED_PROXIES", "proxy.internal", "must be addresses or networks"),
        ("ALLOWED_HOSTS", "https://rowline.example.com", "must be names like"),
        ("SESSION_HOURS", "0", "is 0 or less"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    clean_environment: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=rf"{name}: .*{said}"):
        load_settings()


def test_any_origin_is_for_development_only(clean_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://app.example.com, *")
    assert load_settings().origins_allowed == ["https://app.example.com", "*"]
    monkeypatch.setenv("ENVIRONMENT", "production")
    with pytest.raises(
        ConfigurationError, match=r"CORS_ORIGINS: must name each origin if ENVIRONMENT=production, not \*"
    ):
        load_settings()


@pytest.mark.parametrize(
    ("look", "settings", "development", "production", "word"),
    [
        (access.development_login, {}, "ok", "failed", "without a key"),
        (access.development_login, {"environment": "production"}, "ok", "ok", "off"),
        (access.origins, {}, "ok", "ok", "no page"),
        (access.origins, {"cors_origins": "https://app.example.com"}, "ok", "ok", "https://app.example.com"),
        (access.origins, {"cors_origins": "http://localhost:5173"}, "ok", "ok", "localhost"),
        (access.origins, {"cors_origins": "http://app.example.com"}, "warning", "failed", "changed on the way"),
        (access.origins, {"cors_origins": "*"}, "warning", "failed", "any site"),
        (access.gateway_address, {}, "ok", "ok", "127.0.0.1"),
        (access.gateway_address, {"gateway_host": "0.0.0.0"}, "warning", "failed", "readable on the way"),
        (access.gateway_address, {"gateway_host": "::", "trusted_proxies": "10.0.0.0/8"}, "ok", "ok", "10.0.0.0/8"),
        (access.gateway_names, {}, "skipped", "skipped", "any name"),
        (access.gateway_names, {"gateway_host": "0.0.0.0"}, "skipped", "warning", "any name"),
        (access.gateway_names, {"allowed_hosts": "rowline.example.com"}, "ok", "ok", "rowline.example.com"),
    ],
)
def test_the_way_in_is_looked_at(
    context: Callable[..., Context],
    look: Callable[[Context], Verdict],
    settings: dict[str, object],
    development: State,
    production: State,
    word: str,
) -> None:
    assert look(context(**settings)).state == development
    told = look(context(production=True, **settings))
    assert told.state == production
    assert word in told.message


def test_keys_of_the_gateway_have_32_characters(context: Callable[..., Context]) -> None:
    assert set(settings.KEYS) >= {"inngest_event_key", "inngest_signing_key", "inngest_signing_key_fallback"}
    for production, state in ((False, "warning"), (True, "failed")):
        told = settings.key("inngest_event_key", context(production, inngest_event_key="k" * 31))
        assert (told.state, "has 31 characters; keys have 32 and more" in told.message) == (state, True)
    assert settings.key("inngest_event_key", context(True, inngest_event_key=GOOD)).state == "ok"
    assert settings.key("inngest_event_key", context(inngest_event_key="changeme")).state == "failed"
