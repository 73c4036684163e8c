"""Wrong settings of Pinecone are reported before anything is paid, each with what to do; names fit its rules."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigurationError, PermanentError, TransientError
from resources.vectors.pinecone.names import from_pinecone_name, to_pinecone_name
from tests.resources.vectors.conftest import Connect
from tests.stand_ins.pinecone_server import PineconeServer

MODEL = "openai/text-embedding-3-small/1536"


@pytest.mark.parametrize("by", ["name", "host"])
def test_a_dimension_that_does_not_fit_names_both_and_the_settings(by: str, connect: Connect, server: PineconeServer):
    store = connect() if by == "name" else connect(index_host=server.address)
    with pytest.raises(
        ConfigurationError, match=r"holds vectors of 3 numbers, but model \S+ gives 1536; .*PINECONE_INDEX"
    ):
        store.prepare(MODEL, 1536)
    store.prepare(MODEL, 3)


@pytest.mark.parametrize("by", ["name", "host"])
def test_another_metric_is_told(by: str, connect: Connect, server: PineconeServer):
    server.vector_field["metric"] = server.index.metric = "euclidean"
    store = connect() if by == "name" else connect(index_host=server.address)
    with pytest.raises(ConfigurationError, match=r"compares by euclidean; .* dimension 3 and metric cosine"):
        store.prepare(MODEL, 3)


@pytest.mark.parametrize(
    "fields",
    [
        {"_sparse_values": {"type": "sparse_vector"}},
        {"body": {"type": "dense_vector", "dimension": 3, "metric": "cosine"}},
    ],
    ids=["sparse", "documents"],
)
def test_an_index_for_something_else_is_told(fields: dict[str, Any], connect: Connect, server: PineconeServer):
    """Sparse vectors, or the documents API with field names of its own (ADR 0008)."""
    server.fields = fields
    with pytest.raises(ConfigurationError, match="not for dense vectors"):
        connect().prepare(MODEL, 3)


def test_an_index_that_is_not_there_is_told(connect: Connect):
    with pytest.raises(ConfigurationError, match=r"no such index, .* looking up index elsewhere .*PINECONE_INDEX"):
        connect(index="elsewhere").prepare(MODEL, 3)


def test_an_index_in_the_making_is_waited_for(connect: Connect, server: PineconeServer):
    server.ready = False
    store = connect()
    with pytest.raises(TransientError, match=r"still making index rowline \(Initializing\)"):
        store.prepare(MODEL, 3)
    server.ready = True
    store.prepare(MODEL, 3)


def test_what_fits_is_asked_once(connect: Connect, server: PineconeServer):
    store = connect()
    for _ in range(3):
        store.prepare(MODEL, 3)
    store.missing(MODEL, "ns", ["a"])
    assert server.counters.requests["describe"] == 1


def test_the_host_saves_the_look_up(connect: Connect, server: PineconeServer):
    store = connect(index_host=server.address, controller_host=None)
    store.prepare(MODEL, 3)
    assert store.missing(MODEL, "ns", ["a"]) == ["a"]
    assert server.counters.requests["describe"] == 0


def test_a_store_is_named_by_its_index(connect: Connect):
    """The ledger remembers by this name where a version's vectors are."""
    by_name, by_host = connect(), connect(index=None, index_host="https://a.svc.pinecone.io/ ")
    assert re.fullmatch(r"pinecone/127\.0\.0\.1:\d+", by_name.name), "the host that the control plane tells"
    assert by_host.name == "pinecone/a.svc.pinecone.io"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"api_key": " \n"}, "^PINECONE_API_KEY is empty"),
        ({"api_key": "pcsk_키"}, "^PINECONE_API_KEY .* paste it again$"),
        ({"index_host": "http://index.example.com"}, "^PINECONE_INDEX_HOST begins with http://"),
        ({"controller_host": "http://10.0.0.1"}, "^PINECONE_CONTROLLER_HOST begins with http://"),
        ({"index_host": "rowline"}, "^PINECONE_INDEX_HOST is no address"),
        ({"index_host": "https://a b.com"}, "^PINECONE_INDEX_HOST is no address"),
        ({"controller_host": "ftp://a.com"}, "^PINECONE_CONTROLLER_HOST is no address"),
        ({"controller_host": "http://127.0.0.1:99999"}, "^PINECONE_CONTROLLER_HOST is no address"),
    ],
)
def test_keys_and_addresses_that_cannot_work_are_told(wrong: dict[str, Any], message: str, connect: Connect):
    with pytest.raises(ConfigurationError, match=message):
        connect(**wrong)


# -- names of namespaces ------------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_every_namespace_has_a_name_of_its_own_and_is_found_back(namespace: str):
    name = to_pinecone_name(namespace)
    assert name.isascii()
    assert from_pinecone_name(name) == namespace


@pytest.mark.parametrize("namespace", ["org_acme", "org_acme/employee_7", "shared.docs@acme", "a" * 512])
def test_what_pinecone_can_hold_is_left_alone(namespace: str):
    """The teams' other apps query `org_acme` by that name."""
    assert to_pinecone_name(namespace) == namespace


def test_the_longest_owner_of_any_modern_script_fits():
    assert len(to_pinecone_name(f"org_{'힣가' * 32}/employee_{'漢字' * 32}")) <= 512


def test_a_name_that_is_too_long_is_told():
    with pytest.raises(PermanentError, match="too long for Pinecone"):
        to_pinecone_name("a" * 513)


@pytest.mark.parametrize("name", ["__default__", "xn--org_acme", "xn--\x7f~~", ""])
def test_names_that_are_not_ours_are_nobodys(name: str):
    assert from_pinecone_name(name) is None
