"""`rowline keys`: shown once, listed without secrets, rotated, revoked, erased with their owners; mistakes."""

from __future__ import annotations

import json

from domain.access.api_keys import environment_of, key_id_of
from tests.laws.command import Command

STAFF = "employeeNumber,name\nE1,김하나\n"


def test_a_key_from_its_making_to_its_end(rowline_command: Command) -> None:
    made = rowline_command.json(
        "keys", "create", "--org", "acme", "--role", "events", "--role", "search", "--expires", 90
    )
    assert (environment_of(made["key"]), key_id_of(made["key"])) == ("development", made["keyId"])
    assert (made["roles"], made["state"], made["employeeId"]) == (["events", "search"], "active", None)
    new = rowline_command.json("keys", "rotate", made["keyId"], "--grace", "2")
    assert new["roles"] == made["roles"]
    assert rowline_command.json("keys", "revoke", new["keyId"])["state"] == "revoked"
    output = rowline_command("keys", "list", "--org", "acme", "--json")
    states = {key["keyId"]: (key["state"], key["replacedBy"]) for key in json.loads(output.out)["keys"]}
    assert states == {made["keyId"]: ("replaced", new["keyId"]), new["keyId"]: ("revoked", None)}
    for key in (made["key"], new["key"]):
        assert key.rpartition("_")[2] not in output.out + output.err + rowline_command("keys", "list").out
    assert (
        environment_of(
            rowline_command("keys", "create", "--org", "acme", "--role", "search", ENVIRONMENT="preview").out.strip()
        )
        == "preview"
    )


def test_misuse_is_reported_in_a_sentence(rowline_command: Command) -> None:
    rowline_command("employees", "put", rowline_command.file("staff.csv", STAFF), "--org", "acme")
    create = ("keys", "create", "--org", "acme", "--role")
    for arguments, said in {
        (*create, "owner"): "Role owner does not exist; choose of events, upload, search, admin",
        (*create, "upload", "--employee", "E1"): "may have the role search only",
        (*create, "search", "--employee", "E2"): "Employee E2 is not in the list of acme; `rowline employees put`",
        ("keys", "create", "--org", "a/b", "--role", "search"): "Organization 'a/b' may hold",
        ("keys", "list", "--org", "acmee"): "Nothing is stored for organization acmee; check how it is spelt",
        ("keys", "rotate", "nobody"): "There is no key nobody; `rowline keys list` names them",
        ("keys", "revoke", "nobody", "--org", "acme"): "There is no key nobody",
    }.items():
        output = rowline_command(*arguments)
        assert (output.code, said in output.sentence) == (2, True), output.sentence
    assert rowline_command.json("keys", "list")["keys"] == []


def test_a_key_of_another_organization_is_not_there(rowline_command: Command) -> None:
    made = rowline_command.json("keys", "create", "--org", "acme", "--role", "search")
    for verb in ("rotate", "revoke"):
        assert rowline_command("keys", verb, made["keyId"], "--org", "globex").code == 2
    assert [key["state"] for key in rowline_command.json("keys", "list")["keys"]] == ["active"]


def test_what_is_erased_has_no_keys_any_more(rowline_command: Command) -> None:
    rowline_command("employees", "put", rowline_command.file("staff.csv", STAFF), "--org", "acme")
    own = rowline_command.json("keys", "create", "--org", "acme", "--role", "search", "--employee", "E1")
    rowline_command.json("keys", "create", "--org", "acme", "--role", "admin")
    kept = rowline_command.json("keys", "create", "--org", "globex", "--role", "admin")
    assert rowline_command("erase", "--org", "acme", "--employee", "E1").code == 0
    assert own["keyId"] not in {key["keyId"] for key in rowline_command.json("keys", "list")["keys"]}
    assert rowline_command("erase", "--org", "acme").code == 0
    assert [key["keyId"] for key in rowline_command.json("keys", "list")["keys"]] == [kept["keyId"]]
