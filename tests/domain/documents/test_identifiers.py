"""Addresses: minted ids, namespaces that nobody else can spell, vectors that say where they belong."""

import re
from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.documents.identifiers import (
    VectorIds,
    checked_name,
    content_hash,
    employee_namespace,
    is_document_id,
    mint_document_id,
    organization_namespace,
)
from domain.errors import InvalidRequest
from tests.domain.documents.examples import any_text, names, patiently

owners = st.tuples(names, st.none() | names)


def namespace_of(organization: str, employee: str | None) -> str:
    checked_name("Organization", organization)
    if employee is None:
        return organization_namespace(organization)
    return employee_namespace(organization, checked_name("Employee", employee))


def test_minted_ids_are_valid_and_never_the_same() -> None:
    minted = [mint_document_id() for _ in range(2000)]
    assert len(set(minted)) == 2000
    assert all(is_document_id(each) for each in minted)


def test_minted_ids_sort_by_time() -> None:
    """Time-ordered keys keep the index of the ledger and the list of partitions in the order of upload."""
    minted = [mint_document_id() for _ in range(2000)]
    assert minted == sorted(minted)


def test_a_minted_id_says_nothing_about_the_file() -> None:
    assert re.fullmatch(r"doc_[0-9a-f]{12}7[0-9a-f]{19}", mint_document_id())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "doc_",
        "salaries.xlsx",
        "doc_../../etc/passwd",
        "DOC_" + "0" * 32,
        "doc_" + "0" * 31,
        "doc_" + "0" * 32 + "\n",
    ],
)
def test_what_was_not_minted_is_no_document_id(text: str) -> None:
    assert not is_document_id(text)


@pytest.mark.parametrize("name", ["acme", "E-017", "kim@acme.co.kr", "삼성생명", "a", "7", "x" * 64, "a_b.c-d@e"])
def test_good_names_are_handed_back(name: str) -> None:
    assert checked_name("Organization", name) == name


@pytest.mark.parametrize(
    "name", ["", " ", "a/b", "_a", "-a", ".", "..", "../a", "a b", "a\n", "a\0", "x" * 65, "a%2Fb", "a:b", "a\u200bb"]
)
def test_names_that_could_be_mistaken_are_refused(name: str) -> None:
    """The sentence names the kind and what is allowed."""
    with pytest.raises(InvalidRequest, match=r"^Employee .* may hold letters, digits and _ \. @ - only, 64 at most"):
        checked_name("Employee", name)


@patiently
@given(any_text)
def test_an_accepted_name_never_holds_a_slash(text: str) -> None:
    """The slash is what parts an organization from its employee."""
    try:
        assert "/" not in checked_name("Organization", text)
    except InvalidRequest:
        assert re.fullmatch(r"[^\W_][\w.@-]{0,63}", text) is None


@patiently
@given(owners, owners)
def test_two_owners_never_share_a_namespace(one: tuple[str, str | None], other: tuple[str, str | None]) -> None:
    """Also not organization `a_employee` and employee `x` of organization `a` (law 2)."""
    assert (namespace_of(*one) == namespace_of(*other)) == (one == other)


def test_namespaces_are_those_of_the_notes() -> None:
    assert organization_namespace("acme") == "org_acme"
    assert employee_namespace("acme", "E1") == "org_acme/employee_E1"


@patiently
@given(st.lists(any_text, max_size=4), st.lists(any_text, max_size=4))
def test_contents_share_a_hash_only_if_all_their_parts_are_equal(one: list[str], other: list[str]) -> None:
    assert (content_hash(*one) == content_hash(*other)) == (one == other)


def test_parts_cannot_be_cut_in_two_ways() -> None:
    cuts = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc")]
    assert len({content_hash(*cut) for cut in cuts}) == len(cuts)
    assert {len(content_hash(*cut)) for cut in cuts} == {16}


def test_a_vector_address_differs_by_organization_model_namespace_and_content() -> None:
    one, two = content_hash("one"), content_hash("two")
    addresses = [
        VectorIds("acme", "m/1").of("org_acme", one),
        VectorIds("other", "m/1").of("org_acme", one),
        VectorIds("acme", "m/2").of("org_acme", one),
        VectorIds("acme", "m/1").of("org_acme/employee_1", one),
        VectorIds("acme", "m/1").of("org_acme", two),
    ]
    assert all(a != b for a, b in combinations(addresses, 2))


def test_a_vector_address_is_the_same_in_every_process() -> None:
    """It is written down here: other values would orphan every vector that is stored."""
    first = VectorIds("acme", "local/use-m3/512")
    assert first.of("org_acme", content_hash("김")) == first.of("org_acme", content_hash("김"))
    assert first.of("org_acme", content_hash("김")) == UUID("dd1e69b2-1c1b-eedc-69df-1d31f9ccaa26")


Place = tuple[str, str, str, str]
places = st.tuples(names, names, names, any_text)


@patiently
@given(places, places)
def test_no_two_places_share_a_vector(one: Place, other: Place) -> None:
    def address(place: Place) -> UUID:
        organization, model, namespace, text = place
        return VectorIds(organization, model).of(namespace, content_hash(text))

    assert (address(one) == address(other)) == (one == other)


def test_asking_one_address_does_not_change_the_next() -> None:
    """The scope is hashed once and copied for each row."""
    shared = VectorIds("acme", "m")
    shared.of("elsewhere", content_hash("x"))
    assert shared.of("n", content_hash("y")) == VectorIds("acme", "m").of("n", content_hash("y"))
