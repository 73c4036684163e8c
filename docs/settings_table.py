"""The table of settings in docs/settings.md, made from the settings class.

`python -m docs.settings_table` prints it; `--write` puts it between `<!-- settings -->` and `<!-- /settings -->`.
"""

import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from settings.settings import PROJECT_ROOT, Settings

PAGE = PROJECT_ROOT / "docs" / "settings.md"
START, END = "<!-- settings -->", "<!-- /settings -->"


def settings_table() -> str:
    """A Markdown table of every setting: its name in the environment, its default, its description."""
    lines = ["| setting | default | what it does |", "|---|---|---|"]
    own = [name for name in Settings.model_fields if name in Settings.__annotations__]
    for name in [*own, *(name for name in Settings.model_fields if name not in own)]:
        field = Settings.model_fields[name]
        lines.append(f"| `{name.upper()}` | {_default(field.default)} | {_description(field)} |")
    return "\n".join(lines)


def with_table(page: str) -> str:
    """The page with the current table. Raises ValueError if its two marks are not there, once, in order."""
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end or START in after or END in before + after:
        raise ValueError(f"docs/settings.md needs one line {START} and, below it, one line {END}")
    return f"{before}{START}\n{settings_table()}\n{END}{after}"


def _default(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, SecretStr):
        return "set"  # a secret is never shown, a default one least of all
    if isinstance(value, Path) and value.is_relative_to(PROJECT_ROOT):
        return f"`{value.relative_to(PROJECT_ROOT).as_posix()}` beside the project"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _description(field: FieldInfo) -> str:
    text = (field.description or "").replace("|", "\\|")
    choices = [f"`{choice}`" for choice in _choices(field.annotation)]
    return f"{text} {', '.join(choices[:-1])} or {choices[-1]}." if len(choices) > 1 else text


def _choices(annotation: Any) -> list[str]:
    """The values of a Literal, also inside a union."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [choice for part in get_args(annotation) for choice in _choices(part)]


def main(arguments: list[str]) -> None:
    if arguments == ["--write"]:
        PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
    elif arguments:
        sys.exit(f"docs.settings_table knows --write only, not {' '.join(arguments)}")
    else:
        sys.stdout.write(settings_table() + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
