"""Redaction: every secret of the settings, every key by its shape, and nothing that people need to read."""

import json
import time

import pytest

from settings.redaction import HIDDEN, Redactor, password_of_url, redact_echo, secrets_of_settings, secrets_of_url
from settings.settings import Settings

SIGNING_KEY = "signkey-prod-" + "1f2e3d4c5b6a7988" * 4
KEY_ID = "rl_test_abcdefghij234567"


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("postgresql://app:word@db/rowline", "word"),
        ("postgresql://app:w@rd@db/rowline", "w@rd"),
        ("postgresql://app@db/rowline", None),
        ("postgresql:///rowline?host=/run", None),
        ("sk-live-key:without@address", None),
    ],
)
def test_the_password_of_a_url(url: str, password: str | None):
    assert password_of_url(url) == password


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("postgresql://app:p%40ss-1@db/rowline", {"p%40ss-1", "p@ss-1"}),
        ("postgresql://app@db/rowline?password=w%2Frd-1&sslmode=require", {"w%2Frd-1", "w/rd-1"}),
        ("postgresql://db/rowline?sslkey=app.key&sslpassword=of-the-key", {"of-the-key"}),
        ("smtp+starttls://me:mail-word@smtp.example.com:587", {"mail-word"}),
        ("https://hooks.slack.com/services/T0/B0/abc", {"/services/T0/B0/abc"}),
        ("postgresql://db/rowline", set()),
        ("not an address", set()),
    ],
)
def test_what_is_secret_in_an_address(url: str, secrets: set[str]) -> None:
    assert set(secrets_of_url(url)) == secrets


def test_every_secret_setting_is_hidden() -> None:
    settings = Settings(
        database_url="postgresql://app:hidden-1@db/rowline",
        database_direct_url="postgresql://app@db/rowline?password=hidden-2",
        openai_api_key="  hidden-3\n",
        pinecone_api_key="hidden-4",
        inngest_event_key="hidden-5",
        inngest_signing_key="hidden-6",
        inngest_signing_key_fallback="hidden-7",
        metrics_token="hidden-8",
        slack_webhook_url="https://hooks.example.com/services/hidden-9",
        smtp_url="smtps://me:hidden-10@mail:465",
        email_from="me@example.com",
    )
    text = " ".join(f"word hidden-{number}," for number in range(1, 11)) + " /services/hidden-9"
    shown = Redactor(secrets_of_settings(settings))(text)
    assert "hidden" not in shown.replace("word hidden-9,", "")  # a secret only as a part of its address
    assert shown.count("word") == 10


def test_a_secret_that_begins_like_another_one_is_hidden_as_a_whole() -> None:
    assert Redactor(["abcd", "abcdefgh", "abcd/+gh"])("abcdefgh abcd abcd/+gh") == f"{HIDDEN} {HIDDEN} {HIDDEN}"


def test_a_secret_is_hidden_in_json_too() -> None:
    secret = 'quo"ted-\\비밀'
    shown = Redactor([secret])(json.dumps({"a": secret}) + json.dumps({"a": secret}, ensure_ascii=False))
    assert shown == f'{{"a": "{HIDDEN}"}}' * 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key {KEY_ID}_0123456789abcdef", f"key {KEY_ID}_***"),
        (f"key {KEY_ID}_***", f"key {KEY_ID}_***"),
        (SIGNING_KEY, "***"),
        ("provided: sk-proj-abc_DEF-123.", "provided: ***"),
        ("provided: sk-stand*********cdef.", "provided: ***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ('{"authorization": "Basic dTpw"}', '{"authorization": "Basic ***"}'),
        ("authorization: dTpw", "authorization: ***"),
        ("with bearer abc", "with bearer ***"),
        ("POST /e/some-key?x=1", "POST /e/***?x=1"),
        ("POST /e/{event_key}", "POST /e/{event_key}"),
        ("https://hooks.slack.com/services/T0/B0/abc failed", "https://hooks.slack.com/*** failed"),
        ("postgresql://app:word@db/rowline", "postgresql://app:***@db/rowline"),
        ("must be smtps://user:password@host:465", "must be smtps://user:password@host:465"),
        ("http://127.0.0.1:8300/documents?at=a@b", "http://127.0.0.1:8300/documents?at=a@b"),
        ("a task-list of risk-free desk-work", "a task-list of risk-free desk-work"),
    ],
)
def test_keys_are_known_by_their_shape(text: str, shown: str) -> None:
    assert Redactor()(text) == shown


@pytest.mark.parametrize("letter", ["a", "*", "a*", "://", ":a@", "rl_", "sk-", "/e/", "bearer ", "authorization:"])
def test_a_long_line_takes_time_in_proportion_to_its_length(letter: str) -> None:
    """A caller chooses what stands in a line: a path, a user agent."""
    begun = time.perf_counter()
    Redactor(["some-secret"])(letter * (300_000 // len(letter)))
    assert time.perf_counter() - begun < 5


@pytest.mark.parametrize("password", ["a", "ab", "zz9"])
def test_in_a_servers_own_words_the_shortest_password_is_hidden(password: str):
    """A log line without each short secret would be full of holes; the answer of a database is one sentence."""
    url = f"postgresql://app:{password}@db/rowline"
    assert password not in Redactor(secrets_of_url(url), strict=True)(f'refused: "{password}"')


@pytest.mark.parametrize(
    "echoed",
    ["abc/def+gh***wxyz=", "tok:en1***z9", 'Bearer "quoted-secret-1"', "bearer a.b.c", "my key is the-very-key!"],
)
def test_what_a_service_echoes_of_a_key_is_hidden_as_a_whole_word(echoed: str):
    shown = redact_echo(f"Incorrect: {echoed} given", "the-very-key")
    assert shown.startswith("Incorrect: ")
    assert shown.endswith(" given")
    assert not any(part in shown for part in ("abc", "wxyz", "tok", "z9", "quoted", "a.b.c", "the-very-key"))
