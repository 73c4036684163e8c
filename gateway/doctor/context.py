"""What the checks are given: the settings, how strict to be, and services that change nothing."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import unquote

from pydantic import SecretStr

from gateway.doctor.results import Verdict, failed, warned
from operations.services import Services
from resources.database.connections import Database
from resources.database.inspection import Inspection
from resources.database.urls import database_url, direct_setting, direct_url
from settings.errors import SettingError
from settings.settings import Settings

CLOSING_SECONDS = 3.0


def utc_now() -> datetime:
    return datetime.now(UTC)


class ReadOnlyServices(Services):
    """The services of a deployment as they are found: migrations are not applied."""

    @cached_property
    def database(self) -> Database:
        settings = self.settings
        return Database(database_url(settings), 2, direct_url(settings), direct_setting(settings))

    @cached_property
    def inspection(self) -> Inspection:
        return Inspection(database_url(self.settings))

    @cached_property
    def direct_inspection(self) -> Inspection | None:
        """The way past PgBouncer, where there is one of its own."""
        if self.settings.database_direct_url is None:
            return None
        return Inspection(direct_url(self.settings), direct_setting(self.settings))


@dataclass(frozen=True)
class Context:
    """One examination: what is set, what of it is wrong, and whether production is meant."""

    settings: Settings
    complaints: Sequence[SettingError] = ()
    production: bool = False
    clock: Callable[[], datetime] = field(default=utc_now)

    @cached_property
    def services(self) -> ReadOnlyServices:
        return ReadOnlyServices(self.settings)

    def grave(self, message: str, remedy: str) -> Verdict:
        """A failure in production, a warning anywhere else."""
        return failed(message, remedy) if self.production else warned(message, remedy)

    def close(self, seconds: float = CLOSING_SECONDS) -> None:
        """Give back what was opened, as far as that goes in time: a check that hangs may hold a client's lock."""
        opened = self.__dict__.get("services")
        if opened is not None:
            closing = threading.Thread(target=opened.close, daemon=True)
            closing.start()
            closing.join(seconds)

    def without_secrets(self, text: str) -> str:
        """The text with every secret of the settings taken out (law 10), whoever put it in."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text

    @cached_property
    def _secrets(self) -> list[str]:
        values = (getattr(self.settings, name) for name in Settings.model_fields)
        found = {value.get_secret_value().strip() for value in values if isinstance(value, SecretStr)}
        passwords = {password for value in found if (password := password_of(value))}
        spelled = found | passwords | {unquote(password) for password in passwords}
        return sorted((secret for secret in spelled if len(secret) >= 4), key=len, reverse=True)


def password_of(url: str) -> str | None:
    """The password in an address, as it is written there."""
    _, found, rest = url.partition("://")
    user, at, _ = rest.rpartition("@")
    _, colon, password = user.partition(":")
    return password if found and at and colon else None
