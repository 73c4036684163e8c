"""`rowline notices`: put, seen, sent anew, and told what is wrong."""

from __future__ import annotations

from tests.laws.command import Command


def test_a_message_is_put_seen_and_put_once(rowline_command: Command):
    asked = ["notices", "send", "email", "안녕하세요", "--org", "acme", "--to", "team@example.com", "--subject", "제목"]
    put = rowline_command(*asked, "--key", "one", "--json")
    assert put.code == 0
    assert (put.json["state"], put.json["to"], put.json["subject"]) == ("waiting", "team@example.com", "제목")
    assert rowline_command(*asked, "--key", "one", "--json").json["noticeId"] == put.json["noticeId"]
    assert len(rowline_command("notices", "--json").json["notices"]) == 1
    assert rowline_command("notices", "--org", "globex", "--json").json == {"notices": []}
    told = rowline_command("notices", "--state", "waiting").out
    assert told.startswith(f"⏳ {put.json['noticeId']}  email  waiting  제목")
    assert "team@example.com" not in told
    again = rowline_command("notices", "retry", put.json["noticeId"])
    assert (again.code, "is waiting" in again.sentence) == (2, True)


def test_what_is_wrong_is_one_sentence(rowline_command: Command):
    for arguments, word in (
        (("send", "sms", "hello", "--org", "acme"), "channel"),
        (("send", "email", "hello", "--org", "acme", "--to", "nobody"), "plain e-mail address"),
        (("send", "slack", "hello", "--org", "a/b"), "Organization"),
        (("retry", "ntc_none"), "There is no notice"),
        (("--state", "lost"), "choose of waiting"),
    ):
        said = rowline_command("notices", *arguments)
        assert said.code == 2
        assert word in said.sentence
