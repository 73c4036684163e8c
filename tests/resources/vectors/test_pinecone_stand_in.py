"""The stand-in is strict: what Pinecone refuses, it refuses, in Pinecone's form."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.stand_ins.pinecone_server import KEY, NAME, PineconeServer

VECTOR: dict[str, Any] = {"id": "a", "values": [1, 0, 0]}


def upsert(**changes: Any) -> dict[str, Any]:
    return {"vectors": [VECTOR | changes], "namespace": "ns"}


def ask(server: PineconeServer, path: str, body: Any = None, method: str = "POST", key: str = KEY) -> httpx.Response:
    headers = {"Api-Key": key, "X-Pinecone-Api-Version": "2026-04"}
    return httpx.request(method, server.address + path, headers=headers, json=body)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/vectors/upsert", upsert(values=[1, 2]), "Vector dimension 2 does not match the dimension of the index 3"),
        ("/vectors/upsert", upsert(values=[0, 0, 0]), "at least one non-zero value"),
        ("/vectors/upsert", upsert(values=[1, None, 0]), "Invalid value"),
        ("/vectors/upsert", upsert(id="é"), "Vector ID must be ASCII"),
        ("/vectors/upsert", upsert(id=""), "Vector ID must be 1 to 512"),
        ("/vectors/upsert", upsert(metadata={"a": {"b": 1}}), "got '{\"b\":1}' for field 'a'"),
        ("/vectors/upsert", upsert(metadata={"a": None}), "got 'null' for field 'a'"),
        ("/vectors/upsert", upsert(metadata={"$a": 1}), "must not start with '$'"),
        ("/vectors/upsert", upsert(metadata={"a": "x" * 41_000}), "exceeds the limit of 40960 bytes per vector"),
        ("/vectors/upsert", {"vectors": [VECTOR] * 1_001}, "exceeds the limit of 1000"),
        ("/vectors/upsert", upsert() | {"namespace": "회사"}, "Namespace must be ASCII"),
        ("/query", {"vector": [1, 0, 0], "topK": 10_001}, "top_k must be between 1 and 10000"),
        ("/query", {"vector": [1, 0, 0], "topK": 1, "filter": {"a": {"$like": "b"}}}, "$like is not a valid operator"),
        ("/vectors/delete", {"ids": ["a"] * 1_001, "namespace": "ns"}, "at most 1000"),
        ("/vectors/delete", {"ids": ["a"], "deleteAll": True, "namespace": "ns"}, "exactly one of"),
    ],
)
def test_what_breaks_a_rule_is_refused_and_nothing_of_it_is_kept(
    path: str, body: Any, message: str, server: PineconeServer
):
    ask(server, "/vectors/upsert", upsert(id="first") | {"namespace": "__default__"})
    ask(server, "/vectors/upsert", upsert(id="first"))
    answer = ask(server, path, body)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert message in answer.json()["message"]
    assert set(server.index.held()) == {("ns", "first"), ("__default__", "first")}


def test_a_body_of_more_than_two_megabytes_is_refused(server: PineconeServer):
    texts = [VECTOR | {"id": str(number), "metadata": {"a": "x" * 40_000}} for number in range(50)]
    assert ask(server, "/vectors/upsert", {"vectors": texts}).status_code == 413
    assert ask(server, "/vectors/upsert", {"vectors": texts[:49]}).status_code == 200


def test_a_delete_in_a_namespace_that_is_not_there_is_not_found(server: PineconeServer):
    answer = ask(server, "/vectors/delete", {"ids": ["a"], "namespace": "nobody"})
    assert (answer.status_code, answer.json()["code"]) == (404, 5)


def test_another_key_is_refused_in_plain_text(server: PineconeServer):
    answer = ask(server, "/query", {"vector": [1, 0, 0], "topK": 1}, key="pcsk_other")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (401, "text/plain")


def test_another_index_is_not_found(server: PineconeServer):
    assert ask(server, f"/indexes/{NAME}", method="GET").json()["status"]["ready"] is True
    answer = ask(server, "/indexes/elsewhere", method="GET")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"colour": "red"}, ["a"]),
        ({"colour": {"$eq": "red"}}, ["a"]),
        ({"colour": {"$ne": "red"}}, ["b", "c"]),
        ({"colour": {"$in": ["red", "blue"]}}, ["a", "b"]),
        ({"colour": {"$nin": ["red", "blue"]}}, ["c"]),
        ({"tags": "new"}, ["c"]),
        ({"year": {"$gte": 2020, "$lt": 2022}}, ["a", "b"]),
        ({"year": {"$exists": False}}, ["c"]),
        ({"$or": [{"year": 2021}, {"tags": {"$eq": "new"}}]}, ["b", "c"]),
        ({"$and": [{"colour": "red"}, {"year": {"$gt": 2020}}]}, []),
        ({}, ["a", "b", "c"]),
    ],
)
def test_filters_choose_by_metadata(wanted: dict[str, Any], found: list[str], server: PineconeServer):
    rows = {"a": {"colour": "red", "year": 2020}, "b": {"colour": "blue", "year": 2021}, "c": {"tags": ["old", "new"]}}
    ask(server, "/vectors/upsert", {"vectors": [VECTOR | {"id": id_, "metadata": rows[id_]} for id_ in rows]})
    answer = ask(server, "/query", {"vector": [1, 0, 0], "topK": 9, "filter": wanted}).json()
    assert [match["id"] for match in answer["matches"]] == found


def test_the_stand_in_counts_what_it_saw(server: PineconeServer):
    ask(server, "/vectors/upsert", upsert())
    ask(server, "/vectors/delete", {"ids": ["a"], "namespace": "ns"})
    message = ask(server, "/stats", method="GET").json()
    assert (message["requests"], message["vectors"], message["deleted"]) == ({"upsert": 1, "delete": 1}, 1, 1)
    assert message["largest_body"] == message["bytes_in"]["upsert"] > 50
