"""`rowline notifications`: send, list, retry, and one sentence for each mistake."""

from __future__ import annotations

from tests.laws.command import Command


def test_a_message_is_put_seen_and_put_once(rowline_command: Command):
    asked = [
        "notifications",
        "send",
        "email",
        "안녕하세요",
        "--org",
        "acme",
        "--to",
        "team@example.com",
        "--subject",
        "제목",
    ]
    put = rowline_command(*asked, "--key", "one", "--json")
    assert put.code == 0
    assert (put.json["state"], put.json["to"], put.json["subject"]) == ("waiting", "team@example.com", "제목")
    assert rowline_command(*asked, "--key", "one", "--json").json["notificationId"] == put.json["notificationId"]
    assert len(rowline_command("notifications", "--json").json["notifications"]) == 1
    assert rowline_command("notifications", "--org", "globex", "--json").json == {"notifications": []}
    shown = rowline_command("notifications", "--state", "waiting").out
    assert shown.startswith(f"⏳ {put.json['notificationId']}  email  waiting  제목")
    assert "team@example.com" not in shown
    again = rowline_command("notifications", "retry", put.json["notificationId"])
    assert (again.code, "is waiting" in again.sentence) == (2, True)


def test_what_is_wrong_is_one_sentence(rowline_command: Command):
    for arguments, word in (
        (("send", "sms", "hello", "--org", "acme"), "channel"),
        (("send", "email", "hello", "--org", "acme", "--to", "nobody"), "plain e-mail address"),
        (("send", "slack", "hello", "--org", "a/b"), "Organization"),
        (("retry", "ntc_none"), "There is no notification"),
        (("--state", "lost"), "choose one of waiting"),
    ):
        said = rowline_command("notifications", *arguments)
        assert said.code == 2
        assert word in said.sentence


def test_the_old_name_of_the_command_works_with_a_note_on_stderr(rowline_command: Command):
    old = rowline_command("notices", "--json")
    assert (old.code, old.json) == (0, {"notices": []})
    assert "rowline notifications" in old.err
    sent = rowline_command("notices", "send", "slack", "hello", "--org", "acme", "--json")
    assert sent.json["noticeId"] == sent.json["notificationId"]
    assert [each["noticeId"] for each in rowline_command("notices", "--json").json["notices"]] == [
        sent.json["notificationId"]
    ]
    assert "notices" not in rowline_command("--help").out
    assert "notices" not in rowline_command("notifications").err
