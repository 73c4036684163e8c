"""Settings that have a new name: the old one is accepted for one release, with a warning."""

from collections.abc import Mapping, Sequence

from pydantic import AliasChoices

from settings.errors import SettingError

# old name → new name, which is also the field's. Remove a line in the release after the one that renamed it.
RENAMED = {
    "alert_on": "alert_kinds",
    "event_days": "event_retention_days",
    "event_files": "event_files_prefix",
    "event_request_bytes": "max_event_request_bytes",
    "guesses_per_minute": "failed_logins_per_minute",
    "reader_seconds": "reader_cpu_seconds",
    "request_bytes": "max_request_bytes",
    "request_seconds": "request_timeout_seconds",
    "runs_at_once": "max_concurrent_runs",
    "sends_per_minute": "event_requests_per_minute",
    "upload_bytes": "max_upload_bytes",
    "webhook_addresses": "webhook_allowed_urls",
    "webhook_private": "webhook_allow_private_networks",
}


def renamed(old: str) -> AliasChoices:
    """Both names of a field; the new one has precedence."""
    return AliasChoices(RENAMED[old], old)


def current_name(name: str) -> str:
    """The name of a field today, from either of its names."""
    return RENAMED.get(name, name)


def old_names_in_use(values: Mapping[str, str | None]) -> dict[str, str]:
    """Old names that are set, each with the new one. `values` has the names of the environment, in capitals."""
    return {old.upper(): new.upper() for old, new in RENAMED.items() if values.get(old.upper())}


def rename_warning(old: str, new: str) -> str:
    """One sentence for a person."""
    return f"{old} has a new name, {new}; the next release does not read the old one"


def conflicts(values: Mapping[str, str | None]) -> Sequence[SettingError]:
    """One error for each setting that is set under both names to different values. No value is in it."""
    return [
        SettingError(new, f"is also set as {old}, its old name, to another value; unset {old}", (new.lower(),))
        for old, new in old_names_in_use(values).items()
        if values.get(new) and values[new] != values[old]
    ]
