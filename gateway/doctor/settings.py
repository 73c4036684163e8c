"""Checks of what is set: nothing here leaves this computer."""

import os
import re
import shutil
import stat
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from gateway.doctor.context import Context
from gateway.doctor.results import Verdict, failed, fine, skipped, warned
from settings.errors import SettingError, is_placeholder
from settings.gateway import MIN_KEY_LENGTH
from settings.redaction import password_of_url
from settings.renamed import rename_warning
from settings.settings import Settings, misspelt, old_names
from settings.values import is_loopback

KEYS = tuple(name for name in Settings.model_fields if re.search(r"_key(_fallback)?$", name))
ADDRESSES = ("openai_base_url", "pinecone_controller_host", "pinecone_index_host", "s3_endpoint_url")
MIN_SERVICE_KEY_LENGTH = 20  # characters; those of the services have 40 and more
TRIAL = re.compile(r"(^|[-_])(test|demo|dummy|fake|example|sample|stand[-_]?in|dev|local)([-_]|$)", re.IGNORECASE)
GIB = 2**30
LOW_DISK_BYTES, MIN_DISK_BYTES = 5 * GIB, GIB // 4


def all_settings(context: Context) -> Verdict:
    if context.setting_errors:
        count = len(context.setting_errors)
        return failed(
            f"{count} {'setting is' if count == 1 else 'settings are'} wrong; Rowline does not start like this",
            "Put right what is named above, then run the doctor again",
        )
    given = sorted(name.upper() for name in context.settings.model_fields_set)
    return fine(f"{len(given)} set: {', '.join(given)}" if given else "nothing is set: the embedded default")


def wrong_setting(error: SettingError, _: Context) -> Verdict:
    return failed(error.reason, "Correct it in the environment or in .env")


def placeholders(context: Context) -> Verdict:
    """Text that is not secret, and still what an example holds; keys have a line each."""
    texts = {name: getattr(context.settings, name) for name in Settings.model_fields}
    left = [name.upper() for name, text in texts.items() if isinstance(text, str) and is_placeholder(text)]
    if left:
        return failed(f"{', '.join(left)} still {_has(left)} the text of an example", "Write the real value there")
    return fine("no setting holds the text of an example")


def names(_: Context) -> Verdict:
    """A misspelt name is a mistake that nothing else reports: its setting stays at the default."""
    found = [f"{name} (is {setting} meant?)" for name, setting in misspelt().items()]
    if found:
        return warned(f"nothing reads {', '.join(found)}", "Rename or unset it")
    return fine("no name resembles that of a setting")


def renamed_settings(_: Context) -> Verdict:
    """Names that the next release does not read any more."""
    old = old_names()
    if old:
        return warned("; ".join(rename_warning(*names) for names in old.items()), "Rename them")
    return fine("every setting has its current name")


def environment(context: Context) -> Verdict:
    value = context.settings.environment
    if context.production and value != "production":
        return failed(f"ENVIRONMENT is {value}", "Set ENVIRONMENT=production where production runs")
    return fine(f"ENVIRONMENT is {value}")


def dotenv_rights(context: Context) -> Verdict:
    found = sorted({path.resolve() for path in map(Path, _dotenv_files()) if path.is_file()})
    if not found:
        return skipped("there is no .env; everything comes from the environment")
    readable = [path for path in found if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if readable and context.production:
        names = ", ".join(map(str, readable))
        return warned(f"{names} can be read by other users of this computer", f"chmod 600 {names}")
    return fine(f"read from {', '.join(map(str, found))}")


def _dotenv_files() -> tuple[str | Path, ...]:
    files = Settings.model_config.get("env_file")
    assert isinstance(files, tuple)
    return files


def key(name: str, context: Context) -> Verdict:
    """One key: there, not a placeholder, long enough, not for trials, not another key again."""
    value = _secret(context.settings, name)
    used = is_used(name, context.settings)
    if not value:
        return skipped("not set, and not needed")
    if is_placeholder(value):
        message, remedy = "still holds the text of an example", f"Set {name.upper()} to the real key"
        return (
            failed(message, remedy) if used else warned(f"{message}, though nothing uses it", f"Unset {name.upper()}")
        )
    twins = [other.upper() for other in KEYS if other != name and _secret(context.settings, other) == value]
    if twins:
        return context.error_in_production(
            f"is the same as {' and '.join(twins)}", "Use a key of its own for each purpose"
        )
    shortest = MIN_KEY_LENGTH if name.startswith("inngest_") else MIN_SERVICE_KEY_LENGTH
    if len(value) < shortest:
        return context.error_in_production(
            f"has {_characters(value)}; keys have {shortest} and more", "See that it was pasted whole"
        )
    if context.production and TRIAL.search(value):
        return failed("looks like a key for trials", f"Set {name.upper()} to the key of production")
    return fine(f"{_characters(value)}, no placeholder")


def is_used(name: str, settings: Settings) -> bool:
    """Whether what the settings choose asks for this key; keys of the gateway are always in use."""
    if name == "openai_api_key":
        return settings.embedding_provider == "openai"
    return name != "pinecone_api_key" or settings.vector_store == "pinecone"


def _secret(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    return value.get_secret_value().strip() if isinstance(value, SecretStr) else ""


def database_password(context: Context) -> Verdict:
    url = context.settings.database_url
    password = password_of_url(url.get_secret_value()) if url else None
    if not password:
        return skipped("DATABASE_URL holds no password")
    if is_placeholder(password) or password in ("postgres", "rowline", "admin"):
        return context.error_in_production(
            "DATABASE_URL holds a password that anybody would try", "Set another password"
        )
    if len(password) < 12:
        return context.error_in_production(
            f"the password in DATABASE_URL has {_characters(password)}", "Use 12 or more"
        )
    return fine(f"{_characters(password)}, no placeholder")


def addresses(context: Context) -> Verdict:
    """Keys travel to these: readable by anybody on the way where it is plain http."""
    given = {name: value for name in ADDRESSES if (value := getattr(context.settings, name))}
    plain = [name.upper() for name, value in given.items() if is_plain_http(value)]
    if plain:
        return context.error_in_production(
            f"{', '.join(plain)} {_is(plain)} plain http to another computer: keys and texts can be read on the way",
            "Use https",
        )
    return fine("https or this computer" if given else "the services' own, by https")


def is_plain_http(address: str) -> bool:
    """Whether it is readable on a way that leaves this computer; without a scheme https is meant."""
    try:
        parts = urlsplit(address)
    except ValueError:  # no URL; the check of its service reports it
        return False
    return parts.scheme == "http" and bool(parts.hostname) and not is_loopback(parts.hostname or "")


def home(context: Context) -> Verdict:
    """Rights where the embedded default, logs and the inbox live."""
    path = context.settings.rowline_home
    there = nearest(path)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return failed(f"{path} cannot be written by this user", "Set ROWLINE_HOME to a folder that it owns")
    return fine(f"{path} can be written")


def disk_space(context: Context) -> Verdict:
    path = context.settings.rowline_home
    free = shutil.disk_usage(nearest(path)).free
    said = f"{free / GIB:.1f} GiB are free for {path}"
    if free < LOW_DISK_BYTES:
        remedy = "Free some, or move ROWLINE_HOME to a larger disk"
        return failed(said, remedy) if free < MIN_DISK_BYTES else warned(said, remedy)
    return fine(said)


def nearest(path: Path) -> Path:
    """The path, or the closest folder above it that is there."""
    return next(place for place in (path, *path.parents) if place.exists())


def embedded_database(context: Context) -> Verdict:
    if context.settings.database_url:
        return fine("a PostgreSQL of your own")
    if context.production:
        return failed(
            "unset: the embedded database stops with the last process here, and no other computer reaches it",
            "Set DATABASE_URL to a PostgreSQL server with backups",
        )
    return fine(f"unset: the embedded database in {context.settings.rowline_home / 'postgres'}")


def object_store_kind(context: Context) -> Verdict:
    store = context.settings.object_store
    if store and store.startswith("s3://"):
        return fine("a bucket")
    if store and not Path(store).expanduser().is_absolute():
        return warned(
            f"OBJECT_STORE is relative: here it means {context.settings.objects_folder}, elsewhere another folder",
            "Write the whole path",
        )
    if context.production:
        return warned(
            f"uploads are kept in the folder {context.settings.objects_folder}: right on one computer with backups, "
            "unseen by any other",
            "Set OBJECT_STORE=s3://bucket/prefix where runs and gateway are on several",
        )
    return fine(f"a folder: {context.settings.objects_folder}")


def embedder_kind(context: Context) -> Verdict:
    if context.settings.embedding_provider == "local" and context.production:
        return warned(
            "local: free and offline, and it finds less than a large model does",
            "Set EMBEDDING_PROVIDER=openai, or keep it where that is what you want",
        )
    return fine(context.settings.embedding_provider)


def _characters(text: str) -> str:
    return "1 character" if len(text) == 1 else f"{len(text)} characters"


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _has(names: list[str]) -> str:
    return "holds" if len(names) == 1 else "hold"
