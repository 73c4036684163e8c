"""Whom a notice may go to: one plain address, an address that the settings name, a network that is open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.notifications.recipients import checked_email, checked_webhook, is_allowed, is_named, target_of


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        (" team@Example.com ", "team@example.com"),
        ("a.b+c@sub.example.co.kr", "a.b+c@sub.example.co.kr"),
        ("team@한국.kr", "team@xn--3e0b707e.kr"),
        ("team@XN--3E0B707E.kr", "team@xn--3e0b707e.kr"),
        ("team@한국。kr", "team@xn--3e0b707e.kr"),
        ("team@straße.de", "team@xn--strae-oqa.de"),  # not strasse.de, which is somebody else's
        ("root@localhost", "root@localhost"),
        ("ops@mail.corp.local", "ops@mail.corp.local"),
    ],
)
def test_an_address_is_spelled_as_mail_servers_do(text: str, spelled: str):
    assert checked_email(text) == spelled


@pytest.mark.parametrize(
    "text",
    [
        *(
            None,
            "",
            "team",
            "@example.com",
            "team@",
            "a b@example.com",
            "a@b@example.com",
            "a@example.com,b@example.com",
        ),
        *("Team <team@example.com>", "team@example.com\r\nBcc: all@example.com", "team@-a.com", "team@a..b", "팀@a.kr"),
        *(
            "team@" + "a" * 300,
            "a" * 65 + "@example.com",
            "a" * 64 + "@" + "b" * 63 + ".c" * 95,
            "team@example.com>",
            "team@exa mple.com",
            ".a@example.com",
        ),
        *(
            "team@example.com.",
            "team@example.com。",
            "team@☃.net",
            "team@xn--zz.com",
            "team@a_b.com",
            "team@\u200da.com",
            "team@한국.kr " + "。" * 300,
        ),
    ],
)
def test_anything_else_is_refused_and_not_repeated(text: str | None):
    with pytest.raises(ValueError, match=r"^must ") as told:
        checked_email(text)
    assert "@exa mple" not in str(told.value)
    assert "Bcc" not in str(told.value)


@given(st.text() | st.text(alphabet="ab.-@한ß").map("team@{}".format) | st.text().map("team@{}.kr".format))
def test_no_text_becomes_two_addresses_or_a_header(text: str):
    try:
        found = checked_email(text)
    except ValueError:
        return
    assert found.isascii()
    assert not set(found) & set('\r\n\t ,;<>()[]:\\"')
    assert found.count("@") == 1


ALLOWED = ["https://app.example.com/hooks", "http://127.0.0.1:8080"]


@pytest.mark.parametrize(
    "address",
    [
        "https://app.example.com/hooks",
        "https://app.example.com:443/hooks/rowline?a=1",
        "https://APP.example.com/hooks/",
        "http://127.0.0.1:8080/anything",
    ],
)
def test_what_is_named_and_below_it_may_be_asked(address: str):
    assert is_named(checked_webhook(address), ALLOWED)


@pytest.mark.parametrize(
    "address",
    [
        *("https://app.example.com/hooksy", "https://app.example.com/", "http://app.example.com/hooks"),
        *("https://app.example.com.evil.com/hooks", "https://app.example.com:8443/hooks", "https://evil.com/hooks"),
        *("https://app.example.com/hooks/../admin", "https://app.example.com/hooks/%2e%2e/admin"),
        *("https://app.example.com/hooks/..%2fadmin", "http://127.0.0.1:8081/", "http://localhost:8080/"),
    ],
)
def test_what_only_looks_like_it_may_not(address: str):
    assert not is_named(checked_webhook(address), ALLOWED)


@pytest.mark.parametrize(
    "address",
    [
        *(None, "", "app.example.com", "ftp://a.example", "file:///etc/passwd", "https://", "https://a.example:99999"),
        *("https://user@a.example", "https://user:password@a.example", "https://a.example/#x", "https://a.example:0"),
        *("https://a.example\\@b.example", "https://a.example/ x", "https://a.example\r\nHost: b", "https://한국.kr/"),
        "http://[::1",
    ],
)
def test_what_is_no_whole_address_is_refused(address: str | None):
    with pytest.raises(ValueError, match=r"^must "):
        checked_webhook(address)


PUBLIC = ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"]
PRIVATE = ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "::1", "fd00::1", "::ffff:127.0.0.1", "100.64.0.1"]
AROUND = ["64:ff9b::7f00:1", "2002:7f00:1::"]
NEVER = ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1%eth0", "224.0.0.1", "0.0.0.0", "::", "ff02::1"]


@pytest.mark.parametrize("address", PUBLIC)
def test_the_open_network_may_be_asked(address: str):
    assert is_allowed(address, False)
    assert is_allowed(address, True)


@pytest.mark.parametrize("address", [*PRIVATE, *AROUND])
def test_neighbours_only_where_that_is_set(address: str):
    assert not is_allowed(address, False)
    assert is_allowed(address, True)


@pytest.mark.parametrize("address", NEVER)
def test_where_clouds_tell_their_secrets_never(address: str):
    assert not is_allowed(address, False)
    assert not is_allowed(address, True)


def test_targets_of_alerts_are_read():
    assert target_of("slack").channel == "slack"
    assert target_of("email:ops@example.com").recipient == "ops@example.com"
    assert target_of("webhook:https://a.example/x").recipient == "https://a.example/x"
    for wrong in ("", "slack:general", "email", "email:nobody", "webhook:a", "sms:1", "Slack"):
        with pytest.raises(ValueError, match=r"^must "):
            target_of(wrong)
