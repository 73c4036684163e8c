"""What is wrong with a field, as a person says it: pydantic's kinds of error in the words of a sentence."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "missing": "is missing",
        "extra_forbidden": "is not known here; leave it away",
        "int_parsing": "is no whole number",
        "int_parsing_size": "is too large a number",
        "int_type": "is no whole number",
        "int_from_float": "is no whole number",
        "float_parsing": "is no number",
        "float_type": "is no number",
        "finite_number": "is no finite number",
        "bool_parsing": "is neither true nor false",
        "bool_type": "is neither true nor false",
        "string_type": "is no text",
        "string_unicode": "is no text in UTF-8",
        "list_type": "is no list",
        "tuple_type": "is no list",
        "dict_type": "is no JSON object",
        "model_type": "is no JSON object",
        "model_attributes_type": "is no JSON object",
        "datetime_type": "is no time, as 2026-11-21T09:00:00Z is",
        "datetime_parsing": "is no time, as 2026-11-21T09:00:00Z is",
        "datetime_from_date_parsing": "is no time, as 2026-11-21T09:00:00Z is",
        "literal_error": "is none of {expected}",
        "enum": "is none of {expected}",
        "greater_than": "is {gt} or less",
        "greater_than_equal": "is less than {ge}",
        "less_than": "is {lt} or more",
        "less_than_equal": "is more than {le}",
        "string_too_short": "has fewer letters than {min_length}",
        "string_too_long": "has more letters than {max_length}",
        "too_short": "has fewer items than {min_length}",
        "too_long": "has more items than {max_length}",
    }
)
PATTERNS: Mapping[str, str] = MappingProxyType(
    {
        r"^[^\x00]+$": "holds a NUL",
        r"^[^\x00-\x1f]*$": "holds a control letter, such as a line break",
        r"^nt[cf]_[0-9a-f]{32}$": "is no id of a message, as `GET /notifications` names them",
        r"^[\x21-\x7e]+$": "may hold letters of ASCII and digits, and no space",
    }
)


def reason_of_field(wrong: Mapping[str, Any]) -> str:
    """What is wrong, never the value: it may be a secret. What has no words here keeps pydantic's."""
    kind, more = wrong["type"], wrong.get("ctx", {})
    if kind == "json_invalid":
        return f"is no JSON, at letter {int(wrong['loc'][-1]) + 1}"
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(more.get("pattern", ""), f"must match {more.get('pattern')}")
    if kind == "string_too_short" and more.get("min_length") == 1:
        return "is empty"
    if kind == "too_short" and more.get("min_length") == 1:
        return "is empty"
    if kind in WORDS:
        whole = {name: int(value) for name, value in more.items() if isinstance(value, float) and value.is_integer()}
        return WORDS[kind].format(**more | whole)
    return str(wrong["msg"]).removeprefix("Value error, ")


def name_of_field(wrong: Mapping[str, Any]) -> str:
    """Where it stands: `query.limit`; for what is no JSON the whole body."""
    place = wrong["loc"][:1] if wrong["type"] == "json_invalid" else wrong["loc"]
    return ".".join(map(str, place))


def describe_error(wrong: Mapping[str, Any]) -> str:
    """`field: reason`; the reason alone for what is wrong as a whole."""
    return ": ".join(filter(None, (name_of_field(wrong), reason_of_field(wrong))))
