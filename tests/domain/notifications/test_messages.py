"""What may be asked to be said: a message or a template, one line where a header takes one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.errors import InvalidRequest
from domain.notifications.message_templates import BUILT_IN, rendered
from domain.notifications.messages import SendNotification, one_line, storable
from resources.notifications.http_post import canonical_json

GOOD: dict[str, Any] = {"channel": "email", "to": "anna@corp.example", "message": "안녕하세요"}


def test_a_message_is_kept_as_it_stands():
    notice = SendNotification.model_validate({**GOOD, "subject": "제목\r\nBcc: all@example.com"}).notification(
        "acme", "k"
    )
    assert (notice.channel, notice.recipient, notice.message) == ("email", "anna@corp.example", "안녕하세요")
    assert notice.subject == "제목 Bcc: all@example.com"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"channel": "sms"}, "channel"),
        ({"channel": None}, "channel"),
        ({"to": "nobody"}, "plain e-mail address"),
        ({"to": None}, "plain e-mail address"),
        ({"message": None}, "in place of message"),
        ({"template": "document_failed"}, "in place of message"),
        ({"message": "  \n"}, "must not be empty"),
        ({"message": "x" * 20_001}, "message"),
        ({"subject": "x" * 201}, "subject"),
        ({"channel": "slack"}, "must be left out"),
        ({"channel": "webhook"}, "whole address"),
        ({"message": None, "template": "nothing"}, "choose of document_completed"),
        ({"message": None, "template": "document_failed", "values": {"filename": "a"}}, "'reason' is undefined"),
    ],
)
def test_what_is_wrong_is_refused_with_the_field(change: dict[str, Any], told: str):
    with pytest.raises(ValidationError) as error:
        SendNotification.model_validate({**GOOD, **change})
    wrong = error.value.errors(include_input=False, include_url=False)
    assert told in str([(entry["loc"], entry["msg"]) for entry in wrong])
    assert "anna@corp" not in str(error.value)


def test_a_template_is_filled_with_its_values():
    asked = {
        "channel": "slack",
        "template": "document_failed",
        "values": {"filename": "보험료.xlsx", "reason": "no table"},
    }
    notice = SendNotification.model_validate(asked).notification("acme", "k")
    assert notice.subject == "보험료.xlsx: 실패 · failed"
    assert notice.message == "보험료.xlsx could not be processed: no table"
    assert notice.values == {"filename": "보험료.xlsx", "reason": "no table"}


@pytest.mark.parametrize(
    ("template", "values", "told"),
    [
        ("nothing", {}, "choose of document_completed, document_failed"),
        ("document_failed", {"filename": "a"}, "'reason' is undefined"),
    ],
)
def test_a_template_that_cannot_be_filled_is_told(template: str, values: dict[str, str], told: str):
    with pytest.raises(InvalidRequest, match=told):
        rendered(template, values)


@pytest.mark.parametrize(
    "trick",
    ["{{ ''.__class__.__mro__ }}", "{{ values.pop() }}", "{{ cycler.__init__.__globals__ }}", "{% include 'x' %}"],
)
def test_a_template_of_a_deployment_stays_in_its_sandbox(trick: str):
    with pytest.raises(InvalidRequest):
        rendered("own", {"values": [1]}, {"own": (trick, "")})


def test_values_are_never_read_as_templates():
    values = {"filename": "{{ 7 * 7 }}", "reason": "{% raw %}"}
    assert rendered("document_failed", values).subject == "{{ 7 * 7 }}: 실패 · failed"
    assert set(BUILT_IN) == {"document_completed", "document_failed"}


@given(st.text(st.characters()))
def test_one_line_is_one_line_that_can_be_kept(text: str):
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert not set(line) & {"\r", "\n", "\x00", "\u2028", "\x85"}
    line.encode()


def test_what_no_database_holds_is_replaced():
    assert storable("a\x00b\ud800c😀") == "a�b�c😀"


def test_half_a_surrogate_in_the_values_is_replaced():
    """They were taken, and then every try to send them to a webhook broke on it."""
    body = b'{"channel":"webhook","to":"https://app.example/h","message":"m","values":%s}'
    given = (
        b'{"who\\udc00":["\\ud800","\\ud83d\\ude00","\\u0000","\xea\xb9\x80"],"n":1001,"deep":{"x":[null,true,1.5]}}'
    )
    notice = SendNotification.model_validate(json.loads(body % given)).notification("acme", "k")
    assert notice.values == {"who�": ["�", "😀", "\0", "김"], "n": 1001, "deep": {"x": [None, True, 1.5]}}
    assert json.loads(canonical_json(notice.values)) == notice.values
