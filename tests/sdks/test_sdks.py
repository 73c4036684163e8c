"""The SDKs of JavaScript (4 and 3) and Python send, repeat, and are refused, as against the event server itself."""

from __future__ import annotations

import json

import pytest

from domain.events.ids import is_ulid
from tests.laws.deployment import Deployment
from tests.sdks.conftest import Send, SendFailed
from tests.sdks.gateway_in_thread import LossyProxy

EVENT = {"name": "document/process", "data": {"documentId": "문서-1"}}

pytestmark = pytest.mark.slow


def runs(rowline: Deployment) -> list[str]:
    return [row["event_id"] for row in rowline.sql("SELECT event_id FROM function_runs ORDER BY sequence")]


def test_one_and_several_are_kept_in_order(send: Send, rowline: Deployment):
    one = send([EVENT])
    several = send([{**EVENT, "id": f"i{number}"} for number in range(3)])
    assert all(map(is_ulid, [*one, *several]))
    assert runs(rowline) == [*one, *several]
    (kept,) = rowline.sql("SELECT content FROM events WHERE event_id = %(id)s", id=one[0])
    assert json.loads(kept["content"])["data"] == {"documentId": "문서-1"}


def test_the_same_id_has_one_effect(send: Send, rowline: Deployment):
    assert send([{**EVENT, "id": "once"}]) == send([{**EVENT, "id": "once"}])
    assert len(runs(rowline)) == 1


def test_a_lost_answer_is_sent_again_with_its_seed_and_has_one_effect(
    send: Send, rowline: Deployment, proxy: LossyProxy
):
    proxy.lose = 2
    ids = send([EVENT, EVENT])
    assert (proxy.requests, proxy.lose) == (3, 0)
    assert runs(rowline) == ids
    assert len(set(ids)) == 2


def test_a_wrong_key_is_told(send: Send):
    with pytest.raises(SendFailed, match="Event key not found"):
        send([EVENT], "wrong-key")


def test_an_event_that_is_too_large_is_told(send: Send, rowline: Deployment):
    with pytest.raises(SendFailed, match=r"over the max size|larger than|too large"):
        send([{"name": "a", "data": {"t": "x" * 3_200_000}}])
    assert rowline.sql("SELECT * FROM events") == []


def test_a_wrong_payload_is_told_with_field_and_reason(send: Send):
    with pytest.raises(SendFailed, match=r"data\.documentId: is missing"):
        send([{"name": "document/process", "data": {}}])
