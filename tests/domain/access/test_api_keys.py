"""Keys as they are minted, told and recognised."""

from urllib.parse import quote

import pytest

from domain.access.api_keys import (
    ENVIRONMENTS,
    Caller,
    Environment,
    checked_rights,
    checked_roles,
    environment_of,
    is_same,
    key_id_of,
    mint_key,
)
from domain.errors import InvalidRequest


def test_a_key_names_its_id_and_nothing_else_does() -> None:
    key = mint_key()
    assert key_id_of(key.text) == key.key_id
    assert is_same(key.text, key.digest)
    assert not is_same(mint_key().text, key.digest)
    assert key.text.isascii()
    assert key.text not in repr(key.digest)


@pytest.mark.parametrize("text", ["", "rl_", "rl_abc_def", "Bearer x", "rl_" + "a" * 16 + "_" + "é" * 43])
def test_what_is_no_key_has_no_id(text: str) -> None:
    assert key_id_of(text) is None


def test_an_admin_may_everything_and_others_what_they_were_given() -> None:
    assert Caller("acme", frozenset({"admin"})).may("upload")
    assert not Caller("acme", frozenset({"search"})).may("upload")
    assert not Caller("acme", frozenset({"admin"}), employee_id="E1").may("upload")


@pytest.mark.parametrize("names", [[], ["owner"], ["search", "root"]])
def test_a_role_that_does_not_exist_is_named(names: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="choose of events, upload, search, admin"):
        checked_roles(names)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_key_says_where_it_may_be_used_and_stands_in_a_path_as_it_is(environment: Environment) -> None:
    """Apps put their event key into `/e/{key}`."""
    key = mint_key(environment)
    assert environment_of(key.text) == environment
    assert quote(key.text, safe="") == key.text


@pytest.mark.parametrize("roles", [["search", "upload"], ["admin"], ["events"]])
def test_a_key_of_one_employee_searches_and_does_nothing_else(roles: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="employee E1 may have the role search only"):
        checked_rights(roles, "E1")
    assert checked_rights(["search"], "E1") == {"search"}
