"""Settings of the gateway: its address, trusted proxies and keys, and limits of requests."""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from settings.errors import SettingError, is_placeholder
from settings.renamed import renamed

MIN_KEY_LENGTH = 32  # of a key of the gateway; Inngest's have 64 and more
ANY = "*"


class GatewaySettings(BaseModel):
    """The gateway's section. Lists are separated by commas."""

    gateway_port: int = Field(8300, ge=1, le=65_535, description="Port of the gateway: event API, documents, pages.")
    gateway_host: str = Field(
        "127.0.0.1", description="Address that the gateway binds; 0.0.0.0 in a container behind a TLS proxy."
    )
    gateway_workers: int = Field(
        2, ge=1, le=64, description="Worker processes of the gateway. With two, one serves while the other is replaced."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Log level of the gateway. Log lines are JSON, in development plain text."
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks of the TLS proxies in front of the gateway, comma-separated: "
        "X-Forwarded-For and X-Forwarded-Proto are read from these only.",
    )
    allowed_hosts: str = Field(
        "", description="Host names that the gateway serves, comma-separated (`*.example.com` too); unset: any."
    )
    cors_origins: str = Field(
        "",
        description="Origins that may call the API from a browser, comma-separated (`https://app.example.com`). "
        "`*` in development only; `/e` allows every origin.",
    )
    default_organization: str = Field(
        "default", description="Organization of INNGEST_EVENT_KEY and of the development login."
    )
    inngest_event_key: SecretStr | None = Field(
        None, description="Existing event key of a team's apps; it sends events of DEFAULT_ORGANIZATION."
    )
    inngest_signing_key: SecretStr | None = Field(
        None,
        description="Key of machine-to-machine requests: apps that poll `/v1` authenticate with it, and it signs "
        "requests and "
        "our webhooks.",
    )
    inngest_signing_key_fallback: SecretStr | None = Field(
        None, description="Previous signing key during a rotation: accepted, but not used to sign."
    )
    dagster_url: str | None = Field(
        None, description="URL of the Dagster UI, for links to runs; unset: DAGSTER_PORT of this computer."
    )
    metrics_token: SecretStr | None = Field(
        None,
        description="Token of Prometheus for `/metrics`, as `Authorization: Bearer …`; unset: an admin key of "
        "DEFAULT_ORGANIZATION.",
    )
    session_hours: float = Field(12, gt=0, le=24 * 30, description="Hours until a browser session ends.")
    requests_per_minute: int = Field(
        6_000, gt=0, description="Maximum number of requests of a key, per worker; then 429."
    )
    event_requests_per_minute: int = Field(
        120_000,
        gt=0,
        description="Maximum number of requests of a key to `/e`, per worker; then 503, which SDKs repeat.",
        validation_alias=renamed("sends_per_minute"),
    )
    failed_logins_per_minute: int = Field(
        30,
        gt=0,
        description="Maximum number of wrong keys from an address, per worker; then wrong ones get 429.",
        validation_alias=renamed("guesses_per_minute"),
    )
    max_event_request_bytes: int = Field(
        16 * 2**20,
        ge=2**20,
        description="Maximum size of a request to `/e` in bytes; an event may have 3 MiB.",
        validation_alias=renamed("event_request_bytes"),
    )

    max_request_bytes: int = Field(
        2**20,
        gt=0,
        description="Maximum size of other request bodies in bytes, without uploads and events.",
        validation_alias=renamed("request_bytes"),
    )
    request_timeout_seconds: float = Field(
        60,
        gt=0,
        description="Timeout in seconds for the next part of a request, and for its response.",
        validation_alias=renamed("request_seconds"),
    )

    @field_validator("trusted_proxies")
    @classmethod
    def networks(cls, value: str) -> str:
        for part in listed(value):
            try:
                ip_network(part)
            except ValueError:
                raise ValueError("must be addresses or networks like 10.0.0.0/8, with commas") from None
        return value

    @field_validator("cors_origins")
    @classmethod
    def origins(cls, value: str) -> str:
        for part in listed(value):
            if part != ANY and not _is_origin(part):
                raise ValueError("must be origins like https://app.example.com, without a path, with commas")
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def names(cls, value: str) -> str:
        for part in listed(value):
            if not re.fullmatch(r"(\*\.)?[A-Za-z0-9._\-\[\]:]+", part):
                raise ValueError("must be names like rowline.example.com or *.example.com, without a port, with commas")
        return value

    def gateway_errors(self, environment: str) -> Iterator[SettingError]:
        """Errors of every environment but development, where the doctor reports them and nothing stops."""
        if environment == "development":
            return
        keys = {
            "inngest_event_key": self.inngest_event_key,
            "inngest_signing_key": self.inngest_signing_key,
            "inngest_signing_key_fallback": self.inngest_signing_key_fallback,
        }
        for name, key in keys.items():
            if reason := weakness(key):
                yield SettingError(name.upper(), f"{reason}; ENVIRONMENT={environment} needs a real key", (name,))
        if ANY in listed(self.cors_origins):
            reason = f"must name each origin if ENVIRONMENT={environment}, not *"
            yield SettingError("CORS_ORIGINS", reason, ("cors_origins",))

    @property
    def proxies(self) -> list[str]:
        return listed(self.trusted_proxies)

    @property
    def origins_allowed(self) -> list[str]:
        return listed(self.cors_origins)

    @property
    def hosts_allowed(self) -> list[str]:
        return [host.lower() for host in listed(self.allowed_hosts)]


def listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def weakness(key: SecretStr | None) -> str | None:
    """What is wrong with a key of the gateway; None if it is good or not set."""
    value = key.get_secret_value().strip() if key else ""
    if not value:
        return None
    if is_placeholder(value):
        return "still holds the text of an example"
    if len(value) < MIN_KEY_LENGTH:
        return f"has {len(value)} characters, and needs {MIN_KEY_LENGTH}"
    return None


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and text == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return False
