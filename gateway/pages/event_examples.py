"""Examples of events, one for each function, with what the organization has; and what a payload's fields mean."""

import json
from collections.abc import Mapping
from typing import Any

from domain.events.registry import Function

DOCUMENT, FOLDER = "{document}", "{folder}"  # filled in with real ones
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "document/uploaded": {
        "documentId": "order-2026-11",
        "filename": "premiums.xlsx",
        "filePath": f"{FOLDER}premiums.xlsx",
    },
    "document/process": {"documentId": DOCUMENT},
    "document/cleanup": {"documentId": "doc_0"},  # which one goes for ever, a person has to say
    "document/rollback": {"documentId": DOCUMENT, "targetVersion": 1},
    "vectors/sync.requested": {"repair": False},
    "notification/send": {"channel": "email", "to": "team@example.com", "subject": "Rowline", "message": "Test"},
}


def example_of(function: Function, document: str, folder: str) -> str:
    """`data` of an event that starts the function, as JSON to be changed."""
    data = {
        name: value.replace(DOCUMENT, document).replace(FOLDER, folder) if isinstance(value, str) else value
        for name, value in EXAMPLES[function.event].items()
    }
    return json.dumps(data, ensure_ascii=False, indent=2)


def meaning_of(function: Function) -> str:
    """What the event says."""
    return (function.payload.__doc__ or "").strip()


def fields_of(function: Function) -> list[dict[str, Any]]:
    """Name, type and meaning of each field of a payload, those that must be there first."""
    schema = function.payload.model_json_schema(by_alias=True)
    required = schema.get("required", [])
    fields = [
        {
            "name": name,
            "type": type_of(field),
            "required": name in required,
            "description": field.get("description", ""),
        }
        for name, field in schema["properties"].items()
    ]
    return sorted(fields, key=lambda field: not field["required"])


def type_of(field: Mapping[str, Any]) -> str:
    """A type as JSON Schema names it, with its choices; whether it may be missing is not part of it."""
    if choices := field.get("enum"):
        return " | ".join(map(str, choices))
    kinds = [type_of(kind) for kind in field.get("anyOf", []) if kind.get("type") != "null"]
    return " | ".join(kinds) if kinds else str(field.get("type", "object"))
