"""Templates: how a team's workbook is read, which text is embedded, and what travels with a vector."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from domain.documents.tables import Layout
from domain.errors import ErrorCode, InvalidRequest, PermanentError
from domain.validation_messages import describe_error

PLACE = re.compile(r"\{\{\s*(.+?)\s*\}\}")


class TemplateMismatch(PermanentError):
    """The template names a column that the sheet does not have, or two of its columns have one name."""

    code = ErrorCode.TEMPLATE_MISMATCH


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class RagConfig(_Part):
    """What is embedded and what is kept beside the vector."""

    embedding_template: str | None = None
    metadata_fields: tuple[str, ...] = ()
    skip_duplicates: bool = True


class WorkbookTemplate(_Part):
    """One organization's way of laying out a workbook. The empty template reads any table."""

    name: str = Field("default", min_length=1, max_length=200)
    sheet: str | None = None
    header_row: int | None = Field(None, ge=1)
    column_mapping: dict[str, str] = Field(default_factory=dict)
    employee_identifier: str | None = None
    key_columns: tuple[str, ...] = ()
    rag_config: RagConfig = RagConfig()

    @model_validator(mode="after")
    def metadata_by_field(self) -> Self:
        """A column may be named by its header too; stored rows know the fields only."""
        fields, mapping = set(self.column_mapping.values()), self.column_mapping
        refused = [name for name in self.rag_config.metadata_fields if mapping.get(name, name).startswith("$")]
        if refused:  # a rule of Pinecone's, kept for every store
            raise ValueError(f"ragConfig.metadataFields: {refused[0]} begins with $; map the column to another name")
        names = tuple(name if name in fields else mapping.get(name, name) for name in self.rag_config.metadata_fields)
        self.__dict__["rag_config"] = self.rag_config.model_copy(update={"metadata_fields": names})
        return self

    @property
    def layout(self) -> Layout:
        """What the template fixes about where the table is."""
        return Layout(self.sheet, self.header_row)

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True)


def parse_template(text: str, source: str) -> WorkbookTemplate:
    """A template from YAML or JSON text.

    Raises InvalidRequest, naming `source` and each wrong field.
    """
    import yaml

    try:
        data = _loaded(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date of no calendar, nesting without end
        mark = getattr(error, "problem_mark", None)
        where = f" near line {mark.line + 1}" if mark else ""
        raise InvalidRequest(f"{source} is neither YAML nor JSON{where}; check its quotes and indentation") from error
    if not isinstance(data, dict):
        raise InvalidRequest(f"{source} must hold one template: fields such as name, columnMapping, ragConfig")
    return template_of(data, source)


def _loaded(text: str) -> Any:
    """JSON as JSON: YAML knows neither its tabs nor its escapes beyond the first plane."""
    import json

    import yaml

    try:
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def template_of(data: Mapping[str, Any], source: str = "the template") -> WorkbookTemplate:
    try:
        return WorkbookTemplate.model_validate(data)
    except ValidationError as error:
        reasons = "; ".join(map(describe_error, error.errors(include_url=False)))
        raise InvalidRequest(f"{source}: {reasons}") from None


@dataclass(frozen=True, slots=True)
class Columns:
    """A sheet's columns under the names a template gives them; found by that name or by the sheet's own header."""

    names: tuple[str, ...]
    positions: Mapping[str, int]


def mapped_columns(template: WorkbookTemplate, header: Sequence[str], sheet: str) -> Columns:
    """The columns after `columnMapping` (header → field).

    Raises TemplateMismatch if a column that the template needs is missing from the sheet, or two columns
    would get the same name.
    """
    names = tuple(template.column_mapping.get(column, column) for column in header)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TemplateMismatch(f"Template {template.name}, sheet {sheet}: two columns are both named {twice[0]}")
    positions = {name: i for i, name in enumerate(header)} | {name: i for i, name in enumerate(names)}
    missing = [name for name in needed_columns(template) if name not in positions]
    if missing:
        raise TemplateMismatch(
            f"Sheet {sheet} has no column {', '.join(missing)}, which template {template.name} needs; "
            f"its columns are {', '.join(header)}"
        )
    return Columns(names, positions)


def needed_columns(template: WorkbookTemplate) -> tuple[str, ...]:
    """Fields without which the template cannot do what it says, in order of first mention."""
    places = PLACE.findall(template.rag_config.embedding_template or "")
    wanted = [template.employee_identifier, *template.key_columns, *places, *template.rag_config.metadata_fields]
    return tuple(dict.fromkeys(name for name in wanted if name))


def text_of(template: WorkbookTemplate, columns: Columns) -> Callable[[Sequence[str]], str]:
    """How a row's cells become the text that is embedded.

    With `embeddingTemplate`, its `{{column}}` places are filled; else one `column: value` line for each cell
    that is not empty. Built once a sheet, called once a row.
    """
    pattern = template.rag_config.embedding_template
    if pattern is None:
        labels = [f"{name}: " for name in columns.names]
        return lambda cells: "\n".join([label + cell for label, cell in zip(labels, cells, strict=True) if cell])
    # split() on a pattern with one group gives literal, place, literal, place, …, literal
    pieces = PLACE.split(pattern)
    literals, places = pieces[0::2], [columns.positions[name] for name in pieces[1::2]]

    def fill(cells: Sequence[str]) -> str:
        if not any(cells[place] for place in places):
            return ""
        filled = literals[0] + "".join(cells[p] + after for p, after in zip(places, literals[1:], strict=True))
        return filled.strip()

    return fill
