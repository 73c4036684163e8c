"""What is secret in a text, and how it is hidden: the one list for logs, the doctor, and what services say back."""

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

HIDDEN = "***"
MIN_SECRET_LENGTH = 4  # characters; a text without each shorter secret would be full of holes

# Keys by their shape, for secrets that no setting holds: only a text that holds the first string, whatever its case, is
# searched (log lines are many). A group is what stays; the rest becomes HIDDEN.
_PATTERNS = tuple(
    (marker, re.compile(pattern))
    for marker, pattern in (
        ("***", r"()(?<![\w.\-*])(?!rl_)[\w.\-]*\*{3,}[\w.\-*]*"),  # half hidden by a service: sk-abc***xyz
        ("rl_", r"\b(rl_(?:[a-z]+_)?[a-z2-7]{16}_)[A-Za-z0-9]{8,}"),  # ours: the id before the secret stays
        ("signkey-", r"()\bsignkey-\w+-[0-9a-fA-F]+"),
        ("sk-", r"()\bsk-[\w.\-]{3,}"),
        ("authorization", r"((?i:\bauthorization)[\"']?\s*[:=]\s*[\"']?(?i:(?:bearer|basic)\s+)?)[^\s\"'\\]+"),
        ("bearer", r"((?i:\bbearer)\s+)[^\s\"'\\]+"),
        ("/e/", r"(/e/)(?!\{event_key)[^\s/?\"'\\]+"),  # a key in a path, not the route's template
        ("slack.com/", r"(://hooks\.slack\.com/)[^\s\"'\\]+"),
        ("://", r"(://[^\s/:@\"'\\]*:)(?!password@)[^\s/@\"'\\]+(?=@)"),  # not the example user:password@host
    )
)


# In what a service says back of our request: whole words that it half hid, and whatever follows Bearer, quotes and all.
_ECHOED = re.compile(r"\S*\*{3,}\S*|(?i:\bbearer\s+)\S+")


class Redactor:
    """Hides secrets wherever they stand in a text, those that were named and those that look like one.

    The longest is replaced first, so that a secret that begins like another one is hidden as a whole. `strict` is for
    short texts that a service or a server wrote about our own request: a named secret of any length is hidden.
    """

    def __init__(self, secrets: Iterable[str] = (), *, strict: bool = False) -> None:
        plain = {secret for secret in secrets if len(secret) >= (1 if strict else MIN_SECRET_LENGTH)}
        in_json = {json.dumps(secret, ensure_ascii=ascii)[1:-1] for secret in plain for ascii in (False, True)}
        self._secrets = sorted(plain | in_json, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        lowered = text.lower()
        for marker, pattern in _PATTERNS:
            if marker in lowered:
                text = pattern.sub(rf"\g<1>{HIDDEN}", text)
        return text


def redact_echo(text: str, secret: str) -> str:
    """What a service said about our request, without the key that it was sent and without what it half hid itself."""
    return _ECHOED.sub(HIDDEN, Redactor([secret], strict=True)(text))


def secrets_of_settings(settings: BaseModel) -> set[str]:
    """The values of all settings of type SecretStr, and what is secret in those that are addresses."""
    values = [value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)]
    return {secret for value in values for secret in (value, value.strip(), *secrets_of_url(value))}


def secrets_of_url(url: str) -> Iterator[str]:
    """The passwords in an address as they are written and decoded, and the path of a webhook of Slack."""
    passwords = [password_of_url(url) or ""]
    try:
        parts = urlsplit(url)
        passwords += [parts.password or ""]
        parameters = (parameter.partition("=") for parameter in parts.query.split("&"))
        passwords += [value for name, _, value in parameters if "password" in name]  # libpq: password, sslpassword
    except ValueError:  # no address
        return
    yield from (spelled for password in passwords for spelled in (password, unquote(password)) if password)
    if parts.scheme in ("http", "https") and len(parts.path) > 1:
        yield parts.path


def password_of_url(url: str) -> str | None:
    """The password in an address, as it is written there."""
    _, scheme, rest = url.partition("://")
    user, at_sign, _ = rest.rpartition("@")
    _, colon, password = user.partition(":")
    return password if scheme and at_sign and colon else None
