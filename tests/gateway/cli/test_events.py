"""rowline send: an event by hand, kept as one over HTTP is."""

from __future__ import annotations

from tests.laws.command import Command


def test_an_event_that_starts_something_names_its_run(rowline_command: Command):
    shown = rowline_command.json("send", "document/process", '{"documentId": "문서"}', "--org", "acme", "--id", "once")
    (run,) = shown["runs"]
    assert run["function"] == "document-process"
    again = rowline_command.json("send", "document/process", '{"documentId": "문서"}', "--org", "acme", "--id", "once")
    assert again == shown
    said = rowline_command("send", "document/process", '{"documentId": "문서"}', "--org", "acme")
    assert "starts document-process, run " in said.out


def test_an_event_of_another_name_is_kept_and_says_so(rowline_command: Command):
    shown = rowline_command.json("send", "other/thing")
    assert (shown["organizationId"], shown["runs"]) == ("default", [])
    assert "No function is started" in rowline_command("send", "other/thing", "{}").out


def test_what_is_wrong_is_misuse_in_a_sentence(rowline_command: Command):
    for arguments, reason in (
        (("document/process", "{}"), "data.documentId: is missing"),
        (("a", "{"), "The body is not JSON"),
        (("a", "[]"), "data must be an object"),
        (("", "{}"), "event name is empty"),
        (("a", "{}", "--org", "a/b"), "may hold letters, digits"),
    ):
        said = rowline_command("send", *arguments)
        assert (said.code, reason in said.sentence) == (2, True)
