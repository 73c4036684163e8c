"""A password that is not percent-encoded is never shown: its address is refused before anybody reads it (law 10)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import RowlineError
from resources.database.connections import connect
from resources.database.urls import shown, sqlalchemy_url
from settings.postgres_urls import check_spelling
from tests.laws.command import Command

AMBIGUOUS = ["S3cret/Passw0rd", "S3cret@Passw0rd", "5432/S3cret", "5432,5433/S3cret", "S3cret?x=/Passw0rd", "/S3cret"]
# words that no message of ours holds, with whatever a password generator puts in between
passwords = st.lists(st.sampled_from([*"/@:?#%[]&=,;.+$!~ \n", "S3cret", "Passw0rd", "5432", "%2F", "%zz"])).map(
    "".join
)
MESSAGES = ("S3cret", "Passw0rd")


def told_of(url: str) -> str:
    """All that is ever said of an address: that it is none, or that nobody listens there."""
    try:
        check_spelling(url)
        with pytest.raises(RowlineError) as caught, connect(url):
            pass
    except ValueError as refusal:
        return str(refusal)
    return f"{caught.value} {shown(url)}"


@given(passwords)
@example("S3cret/Passw0rd")
@example("S3cret@Passw0rd")
@example("5432/S3cret?host=x&Passw0rd")
def test_no_part_of_a_password_is_told_however_it_is_spelt(password: str):
    told = told_of(f"postgresql://rowline:{password}S3cret@127.0.0.1:1/db")
    assert not [word for word in MESSAGES if word in told]
    assert told.startswith(("is no valid address; write % / @ and :", "Nobody listens at 127.0.0.1:1/db"))


@pytest.mark.parametrize("password", AMBIGUOUS)
def test_an_address_that_libpq_would_read_otherwise_is_refused(password: str):
    for host in ("localhost:5432/db", "localhost", "/db?host=/tmp"):
        with pytest.raises(ValueError, match="percent-encoded"):
            check_spelling(f"postgresql://rowline:{password}@{host}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///db",
        "postgres://app@db.example",
        "postgresql://me%40tenant:p%40ss%2Fw%3Ard@db.example:5432/db?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql://app:p:w?x#y@one:5432,two:5433/db?target_session_attrs=read-write",
        "postgresql://postgres:@/db?host=/tmp/server",
        "postgresql://app:pw@[::1]:5432/db",
    ],
)
def test_what_can_be_read_in_one_way_is_taken(url: str):
    check_spelling(url)
    assert sqlalchemy_url(url).startswith("postgresql+psycopg://")


@pytest.mark.parametrize("setting", ["DATABASE_URL", "DATABASE_DIRECT_URL"])
@pytest.mark.parametrize("password", AMBIGUOUS)
def test_a_command_names_the_setting_and_nothing_of_its_value(rowline_command: Command, setting: str, password: str):
    said = rowline_command("documents", **{setting: f"postgresql://rowline:{password}@localhost:5432/db"})
    assert said.code == 2
    assert f"{setting}: is no valid address" in said.sentence
    assert not [word for word in MESSAGES if word in said.out + said.err]
