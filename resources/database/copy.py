"""COPY into a table where some of the rows may be there already."""

from collections.abc import Sequence
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import DictRow


def copy_or_merge(
    connection: psycopg.Connection[DictRow],
    table: str,
    columns: Sequence[str],
    body: bytes,
    on_conflict: LiteralString,
) -> None:
    """COPY straight into a table; by way of a staging table only if one of the keys is there already.

    The straight way writes every vector once. `on_conflict` is the rest of the INSERT's clause.
    """
    target, staging = sql.Identifier(table), sql.Identifier(f"arriving_{table}")
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    try:
        with connection.transaction():
            _copy_into(connection, target, names, body)
    except psycopg.errors.UniqueViolation:
        connection.execute(
            sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} LIMIT 0").format(staging, names, target)
        )
        _copy_into(connection, staging, names, body)
        insert = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT ").format(target, names, names, staging)
        connection.execute(insert + sql.SQL(on_conflict))


def _copy_into(
    connection: psycopg.Connection[DictRow], table: sql.Identifier, names: sql.Composed, body: bytes
) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(table, names)
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        stream.write(body)
