"""How an address of PostgreSQL has to be spelt, so that nobody takes part of a password for a host or a name."""

import re

import psycopg

SCHEMES = ("postgresql://", "postgres://")
PORTS = re.compile(r"\d*(,\d*)*")  # one for each host


def check_spelling(url: str) -> None:
    """Raises ValueError for what is no address, or can be read in two ways; its text holds nothing of the address.

    libpq looks for the user and password up to the first `@` or `/`: what follows an unencoded one in a password is
    host, port or database to it, and would be shown as such.
    """
    if not url.startswith(SCHEMES):
        raise ValueError("must start with postgresql:// – PostgreSQL is the only database")
    authority, _, rest = url.partition("://")[2].partition("/")
    try:
        ports = str(psycopg.conninfo.conninfo_to_dict(url).get("port", ""))
    except psycopg.ProgrammingError:  # its text would show the password
        sound = False
    else:
        sound = authority.count("@") <= 1 and "@" not in rest and PORTS.fullmatch(ports) is not None
    if not sound:
        raise ValueError("is no valid address; write % / @ and : in the user or password percent-encoded")
