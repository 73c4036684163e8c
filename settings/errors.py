"""Errors of settings: name and reason, never the value."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import SecretStr

PLACEHOLDER = re.compile(
    r"^(sk-)?x{3,}$|^(todo|tbd|none|null|placeholder|secret|password|example)$|^<.*>$|\.{3}|…|"
    r"\b(change|replace)[-_ ]?(me|this)\b|\byour[-_ ]|[-_]goes[-_]here$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SettingError:
    """What is wrong with a setting, never its value. `fields`: those that cannot be relied on because of it."""

    name: str
    reason: str
    fields: tuple[str, ...]

    def __str__(self) -> str:
        """One that is wrong by itself under its name; several that do not fit together name each other."""
        return f"{'settings' if len(self.fields) > 1 else self.name}: {self.reason}"


class SettingsConflict(ValueError):
    """Settings that are right one by one, but not together."""

    def __init__(self, errors: Sequence[SettingError]) -> None:
        super().__init__("; ".join(error.reason if len(error.fields) > 1 else str(error) for error in errors))
        self.errors = errors


def is_real(secret: SecretStr | None) -> bool:
    """Whether a key is set, and to something else than what examples hold in its place."""
    value = secret.get_secret_value().strip() if secret else ""
    return bool(value) and not is_placeholder(value)


def is_placeholder(text: str) -> bool:
    """Whether it is what an example holds in place of a real value."""
    return bool(PLACEHOLDER.search(text.strip()))
