"""Bytes from anywhere become events, or one sentence that says why not; nothing else, whatever they are."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidRequest
from domain.events.acceptance import AcceptedEvent, OrganizationMismatch, accept_events
from domain.events.ids import Seed, is_ulid, mint_seed, read_seed
from domain.events.parsing import EVENT_BYTES, MAX_EVENTS, Event, ascii_of, read_events, text_of

SEED = Seed(1_743_130_137_367, bytes(range(10)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "name": JSON | st.sampled_from(["document/uploaded", "document/rollback", "inngest/x", "a", "\ud800", "\0"]),
        "data": JSON | st.fixed_dictionaries({"documentId": JSON, "targetVersion": JSON, "tenantId": JSON}),
        **dict.fromkeys(("id", "ts", "v", "user", "meta", "other"), JSON),
    },
)


def one(**fields: Any) -> bytes:
    return json.dumps({"name": "a/b", **fields}).encode()


def reason(body: bytes) -> str:
    with pytest.raises(InvalidRequest) as told:
        accept_events(read_events(body), "acme", SEED)
    return str(told.value)


def test_ids_of_a_seed_are_those_that_the_event_server_gives():
    """Measured on the wire (contracts.md 1.2)."""
    seed = read_seed("1743130137367,eii2YKXRVTJPuA==")
    assert seed is not None
    assert [seed.id_of(1), seed.id_of(2)] == ["01JQDAE4RQF8MBCR55T5AK4KXS", "01JQDAE4RQF8MBCR55T5AK4KXT"]


@pytest.mark.parametrize("end", ["", "x", ",1", "\n"])
@pytest.mark.parametrize("start", ["", "abc", "-1,", "999999999999999,", "１,", "1743130137367"])
def test_a_seed_that_cannot_be_read_is_ignored(start: str, end: str):
    assert read_seed(f"{start}eii2YKXRVTJPuA=={end}") is None
    assert read_seed("1743130137367,eii2YKXRVTJPu") is None
    assert read_seed(None) is None


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10), st.integers(1, 5000))
def test_every_seed_gives_ulids_that_differ(millis: int, entropy: bytes, number: int):
    seed = Seed(millis, entropy)
    assert is_ulid(seed.id_of(number))
    assert seed.id_of(number) != seed.id_of(number + 1)
    minted = mint_seed(millis / 1000, entropy)
    assert minted.id_of(number) < minted.id_of(number + 1)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes):
    """Any other exception than InvalidRequest fails the test."""
    events: list[Event] = []
    with suppress(InvalidRequest):
        events = read_events(body)
    assert all(event.content.isascii() for event in events)


@given(FIELDS | st.lists(FIELDS, max_size=3) | JSON)
def test_any_json_is_accepted_or_refused(value: Any):
    """NaN, infinities, lone surrogates and NUL among it; what is accepted can be kept as ASCII and read back."""
    found: list[AcceptedEvent] = []
    with suppress(InvalidRequest):
        found = accept_events(read_events(json.dumps(value).encode()), "acme", SEED)
    for sent, kept in zip(value if isinstance(value, list) else [value], found, strict=False):
        assert kept.event.content.isascii()
        assert "\0" not in kept.event.content
        assert json.loads(kept.event.content)["name"] == sent["name"]
        assert is_ulid(kept.event_id)


def test_many_things_beside_each_other_are_not_deep():
    body = b'{"name":"a","data":{"a":[' + b"[{}]," * 1000 + b"[" * 490 + b"]" * 490 + b"]}}"
    assert len(read_events(body)) == 1


@given(st.text(st.characters(codec=None)))
def test_any_text_has_an_ascii_spelling(text: str):
    assert ascii_of(text).isascii()
    assert "\0" not in ascii_of(text)
    assert text_of(ascii_of(text)) == text


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "The body is not JSON"),
        (b"{}\n{}", "The body is not JSON"),
        (b"\x1f\x8b\x08", "The body is not JSON"),
        (b"file=1&name=a", "The body is not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"name":"a","data":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, "nested too deeply"),
        (b'{"name":"a","data":{"a":' + b"[" * 500 + b"]" * 500 + b"}}", "nested too deeply"),
        (b'{"name":"a","data":{"n":1e400}}', "too large for a double"),
        (b'{"name":"a","data":{"n":NaN}}', "NaN is not a number of JSON"),
        (b'{"name":"a","data":{"n":-Infinity}}', "-Infinity is not a number of JSON"),
        (b'{"name":"a","data":{"n":' + b"9" * 5000 + b"}}", "The body is not JSON"),
        (b"1", "An event is a JSON object"),
        (b"null", "An event is a JSON object"),
        (b'[{"name":"a"},null]', "An event is a JSON object with a name (event 2 of 2)"),
        (b"{}", "event name is empty"),
        (b'[{"name":"a"},{"name":""}]', "event name is empty (event 2 of 2)"),
        (b'{"name":1}', "event name must be a string"),
        (one(name="Inngest/Function.failed"), "reserved"),
        (one(data=[]), "data must be an object"),
        (one(user="me"), "user must be an object"),
        (one(id=5), "id must be a string"),
        (one(v=1), "v must be a string"),
        (one(ts=1.5), "ts must be whole milliseconds"),
        (one(ts="now"), "ts must be whole milliseconds"),
        (one(ts=True), "ts must be whole milliseconds"),
        (one(ts=1_700_000_000), "between the years 1980 and 2100"),
        (one(ts=10**30), "between the years 1980 and 2100"),
        (
            b"[" + b",".join([b'{"name":"a"}'] * (MAX_EVENTS + 1)) + b"]",
            "Cannot have more than 5000 events in a batch",
        ),
    ],
)
def test_what_is_wrong_is_told(body: bytes, told: str):
    assert told in reason(body)


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"name":"a"}',
        b' {"name":"a","unknown":[1]} ',
        b'{"name":"a\\u0000b\\ud800","id":"\\udfff","data":{"\\u0000":"\\ud800"}}',
        b'{"name":"\xff\xfe"}',
        one(data=None, id=None, ts=0, v=None, user=None, meta=None),
        one(ts=1_795_230_413_644, v="1", user={"id": "u"}, meta={}),
        b'{"name":"a","data":' + b'{"a":' * 400 + b"1" + b"}" * 401,
        b'{"name":"a","data":{"n":123456789012345678901234567890}}',
        json.dumps({"name": "문서/업로드", "data": {"이름": "보험료"}}, ensure_ascii=False).encode(),
        one(name="x" * 5000),
    ],
)
def test_what_is_odd_but_right_is_taken(body: bytes):
    (event,) = read_events(body)
    assert event.name
    assert event.content.isascii()


@pytest.mark.parametrize("body", [b"", b" \n", b"[]"])
def test_nothing_is_no_event(body: bytes):
    assert read_events(body) == []


def test_what_the_engine_puts_into_data_is_taken_out():
    (event,) = read_events(one(data={"_inngest": {"status": "Failed"}, "a": 1}))
    assert event.data == {"a": 1}


def test_the_size_of_an_event_is_that_of_its_characters_not_of_their_escapes():
    korean = "가" * (EVENT_BYTES // 3 - 100)  # three bytes each, six when escaped
    (event,) = read_events(json.dumps({"name": "a", "data": {"t": korean}}, ensure_ascii=False).encode())
    assert len(event.content) > EVENT_BYTES
    told = reason(one(data={"t": "x" * EVENT_BYTES}))
    assert told.startswith(f"Event is over the max size: Max {EVENT_BYTES} bytes / Size ")


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("document/uploaded", {"documentId": "d"}, "data.filename: is missing; data.filePath: is missing"),
        ("document/process", {}, "data.documentId: is missing"),
        ("document/process", {"documentId": ""}, "data.documentId: is empty"),
        ("document/process", {"documentId": 5}, "data.documentId: is no text"),
        ("document/process", {"documentId": "a\0"}, "data.documentId: must not hold a NUL"),
        ("document/process", {"documentId": "\ud800"}, "data.documentId: is no text in UTF-8"),
        ("document/rollback", {"documentId": "d", "targetVersion": 0}, "data.targetVersion: is less than 1"),
        (
            "document/rollback",
            {"documentId": "d", "targetVersion": 10**30},
            "data.targetVersion: is 2147483648 or more",
        ),
        ("document/rollback", {"documentId": "d", "targetVersion": "1"}, "data.targetVersion: is no whole number"),
        ("vectors/sync.requested", {"repair": "yes"}, "data.repair: is neither true nor false"),
    ],
)
def test_a_known_event_with_a_wrong_payload_is_told_field_and_reason(name: str, data: dict[str, Any], told: str):
    assert told in reason(json.dumps([{"name": "other"}, {"name": name, "data": data}]).encode())
    assert "(event 2 of 2)" in reason(json.dumps([{"name": "other"}, {"name": name, "data": data}]).encode())


def test_an_event_of_another_tenant_is_refused():
    body = json.dumps({"name": "document/process", "data": {"documentId": "d", "tenantId": "umbrella"}}).encode()
    with pytest.raises(OrganizationMismatch, match=r"data\.tenantId"):
        accept_events(read_events(body), "acme", SEED)
    assert len(accept_events(read_events(body), "umbrella", SEED)[0].runs) == 1


def test_a_refusal_never_repeats_a_value():
    """A payload may hold what nobody else is to see."""
    body = json.dumps({"name": "document/process", "data": {"documentId": 4711_0815, "tenantId": ["secret"]}}).encode()
    assert "4711" not in reason(body)
    assert "secret" not in reason(body)
