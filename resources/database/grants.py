"""What the role needs that Rowline works as: to read and write every table, never to make, alter, empty or drop one."""

from collections.abc import Iterator

from psycopg import sql

from domain.errors import InvalidRequest
from resources.database.connections import Connection, connect
from resources.database.urls import POOLED

VERSION_TABLES = ("rowline_migrations", "alembic_version")  # ours and Dagster's: to be read only
OWNED = """
SELECT c.relname AS name, c.relkind = 'S' AS is_sequence FROM pg_class c
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'S')
   AND pg_has_role(c.relowner, 'USAGE') ORDER BY 1
"""
# by default privileges too: a later migration by the owner alone leaves nobody outside
LATER = (
    sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}"),
    sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT ON SEQUENCES TO {role}"),
)
READ_AND_WRITE = sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.{name} TO {role}")
COUNT_UP = sql.SQL("GRANT USAGE, SELECT ON SEQUENCE {schema}.{name} TO {role}")
READ_ONLY = sql.SQL("REVOKE INSERT, UPDATE, DELETE ON {schema}.{name} FROM {role}")


def grant(url: str, role: str, setting: str = POOLED) -> None:
    """Give a role what it needs on all tables that the address's user owns, also on those that migrations bring later.

    Raises InvalidRequest if there is no such role.
    """
    with connect(url, setting) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
            raise InvalidRequest(
                f"The database server has no role {role}; create it first, see deploy/postgres/roles.sql"
            )
        for statement in _grants(connection, role):
            connection.execute(statement)


def _grants(connection: Connection, role: str) -> Iterator[sql.Composed]:
    row = connection.execute("SELECT current_schema() AS schema").fetchone()
    assert row is not None
    names = {"schema": sql.Identifier(row["schema"]), "role": sql.Identifier(role)}
    yield from (statement.format(**names) for statement in LATER)
    for row in connection.execute(OWNED).fetchall():
        name = sql.Identifier(row["name"])
        yield (COUNT_UP if row["is_sequence"] else READ_AND_WRITE).format(name=name, **names)
        if row["name"] in VERSION_TABLES:
            yield READ_ONLY.format(name=name, **names)
