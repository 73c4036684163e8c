"""Templates: the sentences that Rowline itself says, and those that a deployment adds, in a sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.errors import InvalidRequest

# name → (subject, message)
BUILT_IN: Mapping[str, tuple[str, str]] = {
    "document_completed": (
        "{{ filename }}: 완료 · completed",
        "{{ filename }} is searchable: {{ rows }} rows, {{ vectors }} vectors"
        "{% if errors %}, {{ errors }} rows with errors{% endif %}.",
    ),
    "document_failed": (
        "{{ filename }}: 실패 · failed",
        "{{ filename }} could not be processed: {{ reason }}",
    ),
}


@dataclass(frozen=True, slots=True)
class Filled:
    subject: str
    message: str


def rendered(name: str, values: Mapping[str, Any], more: Mapping[str, tuple[str, str]] | None = None) -> Filled:
    """A template with its values. Raises InvalidRequest if the template, or a value that it needs, is not there."""
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    known = {**BUILT_IN, **(more or {})}
    if name not in known:
        raise InvalidRequest(f"Template {name!r} does not exist; choose of {', '.join(sorted(known))}")
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    try:
        subject, message = (environment.from_string(text).render(values) for text in known[name])
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise InvalidRequest(f"Template {name} cannot be filled: {error}") from error
    return Filled(subject, message)
