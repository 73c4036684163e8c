"""What checks get: the settings, how strict to be, and services that change nothing."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from gateway.doctor.results import Verdict, failed, warned
from operations.services import Services
from resources.database.connections import Database
from resources.database.inspection import Inspection
from resources.database.urls import database_url, direct_setting, direct_url
from settings.errors import SettingError
from settings.redaction import Redactor, secrets_of_settings
from settings.settings import Settings

CLOSE_TIMEOUT_SECONDS = 3.0


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
    setting_errors: Sequence[SettingError] = ()
    production: bool = False
    clock: Callable[[], datetime] = field(default=utc_now)

    @cached_property
    def services(self) -> ReadOnlyServices:
        return ReadOnlyServices(self.settings)

    def error_in_production(self, message: str, remedy: str) -> Verdict:
        """A failure in production, a warning anywhere else."""
        return failed(message, remedy) if self.production else warned(message, remedy)

    def close(self, seconds: float = CLOSE_TIMEOUT_SECONDS) -> None:
        """Close the services within `seconds`: a check that hangs may hold a client's lock."""
        services = self.__dict__.get("services")
        if services is not None:
            thread = threading.Thread(target=services.close, daemon=True)
            thread.start()
            thread.join(seconds)

    def without_secrets(self, text: str) -> str:
        """The text without any secret of the settings, whoever put it in: a service may repeat a key in its error."""
        return self._redactor(text)

    @cached_property
    def _redactor(self) -> Redactor:
        return Redactor(secrets_of_settings(self.settings))
