"""Erasures: delete everything that names an organization, or one of its employees, from the ledger."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.documents.row_errors import RowError
from resources.database.connections import Connection, Database
from resources.database.locks import LockKind, lock
from resources.ledger.documents.documents import MAX_LISTED_ERRORS
from resources.ledger.indexing.embeddings import COUNTED
from resources.ledger.removal.removals import UNNEEDED

ERASED = RowError("erased")
# Every table that names an organization; what refers to one of these is deleted with it (tests/laws/test_erasure.py).
HOLDERS = (
    *("employees", "templates", "embeddings", "keys"),
    *("function_runs", "event_idempotency_keys", "events", "notifications"),
    "documents",
)

# A row is an employee's by whom its sheet names, whatever their namespace was then, and also before they were in the
# list. Rows without an error that are older than migration 0014 name only their owner.
THEIRS = "coalesce(l.employee_key, l.employee_id) = %(employee)s"

# Returns versions with rows of the employee. A file that was never read to its end may name them too.
OF_EMPLOYEE = f"""
SELECT DISTINCT l.document_id, l.version FROM lineage l JOIN documents d USING (document_id)
 WHERE d.organization_id = %(organization)s AND {THEIRS}
UNION
SELECT v.document_id, v.version FROM versions v JOIN documents d USING (document_id)
 WHERE d.organization_id = %(organization)s AND v.plan_key IS NULL AND v.mode = 'employee_split' AND v.object_key <> ''
 ORDER BY document_id, version
"""  # noqa: S608 - a constant of this module

# Returns the namespaces of their rows; `shared` if the list has given the namespace to somebody else since.
NAMESPACES = """
SELECT l.namespace, array_agg(DISTINCT l.vector_id) FILTER (WHERE NOT others.there) AS vectors,
       bool_or(e.employee_number IS NOT NULL) AS shared
  FROM lineage l JOIN documents d USING (document_id)
  LEFT JOIN employees e ON e.namespace = l.namespace AND e.employee_number <> l.employee_id
 CROSS JOIN LATERAL (SELECT EXISTS (
       SELECT 1 FROM lineage o WHERE o.vector_id = l.vector_id AND o.employee_id IS DISTINCT FROM l.employee_id
       ) AS there) others
 WHERE d.organization_id = %(organization)s AND l.employee_id = %(employee)s AND l.vector_id IS NOT NULL
 GROUP BY l.namespace ORDER BY l.namespace
"""

# The texts of the employee's rows.
TEXTS = f"""
CREATE TEMP TABLE texts ON COMMIT DROP AS
SELECT DISTINCT v.model, l.text_hash FROM versions v JOIN lineage l USING (document_id, version)
 WHERE v.document_id = %(document)s AND {THEIRS} AND l.text_hash IS NOT NULL
"""  # noqa: S608

# Empties the employee's rows. Each stays as a number, so that the counts still add up to the rows of the file.
ROWS = f"""
UPDATE lineage l SET outcome = 'error', error = %(reason)s, error_code = %(code)s, employee_id = NULL,
       employee_key = NULL, namespace = NULL, vector_id = NULL, content_hash = NULL, text_hash = NULL,
       needs_embedding = false, row_key = '', content = '', source_row = '{{}}'
 WHERE l.document_id = %(document)s AND {THEIRS}
"""  # noqa: S608

# Counts the results anew: one that counts erased rows as stored would be wrong.
RESULTS = """
UPDATE versions v SET result = v.result || jsonb_build_object(
           'processedRows', c.processed, 'unchangedRows', c.unchanged, 'duplicateRows', c.duplicate,
           'skippedRows', c.duplicate, 'errorRows', c.errors, 'errors', c.listed,
           'namespacesUpdated', (SELECT coalesce(jsonb_agg(n), '[]') FROM jsonb_array_elements_text(
                                        v.result -> 'namespacesUpdated') n WHERE n <> ALL(%(namespaces)s)))
  FROM (SELECT document_id, version,
               count(*) FILTER (WHERE outcome IN ('kept', 'unchanged')) AS processed,
               count(*) FILTER (WHERE outcome = 'unchanged') AS unchanged,
               count(*) FILTER (WHERE outcome = 'duplicate') AS duplicate,
               count(*) FILTER (WHERE outcome = 'error') AS errors,
               coalesce((jsonb_path_query_array(jsonb_agg(
                   jsonb_build_object('sheet', sheet, 'rowNumber', row_number, 'message', error) ORDER BY row_position)
                   FILTER (WHERE outcome = 'error'), '$[0 to $last]', jsonb_build_object('last', %(most)s - 1))),
                   '[]') AS listed
          FROM lineage WHERE document_id = %(document)s GROUP BY document_id, version) c
 WHERE c.document_id = v.document_id AND c.version = v.version AND v.result IS NOT NULL
"""
# Counts the batches anew.
BATCHES = f"""
UPDATE batches b SET processed_rows = s.processed, errors = s.errors
  FROM (SELECT version, batch_number, {COUNTED} FROM lineage WHERE document_id = %(document)s
         GROUP BY version, batch_number) s
 WHERE b.document_id = %(document)s AND b.version = s.version AND b.batch_number = s.batch_number
   AND b.status = 'completed'
"""  # noqa: S608
# Copies the results to the event runs that followed the versions.
RUN_OUTPUTS = """
UPDATE function_runs r SET output = (r.output::jsonb || jsonb_build_object('result', v.result))::text FROM versions v
 WHERE v.document_id = %(document)s AND r.document_id = v.document_id AND r.version = v.version
   AND v.result IS NOT NULL AND r.output IS NOT NULL
"""
# What apps sent is theirs to shape: an employee is found where a value is their number or name, and nothing else.
# A JSON number is searched for outside of strings. Any count may be the same number, so what is not finished yet is
# left alone then: an accepted event, or a notification, would be lost without a trace.
AS_NUMBER = """
CASE WHEN position(%(digits)s::text IN {text}) > 0
     THEN regexp_replace({text}, '"(?:\\\\.|[^"\\\\])*"', '""', 'g') ~ %(number)s::text ELSE false END
"""
NAMED_IN_EVENTS = f"""
DELETE FROM events e WHERE organization_id = %(organization)s
   AND (EXISTS (SELECT FROM unnest(%(quoted)s::text[]) AS value WHERE position(value IN content) > 0)
        OR ({AS_NUMBER.format(text="content")}) AND NOT EXISTS (
            SELECT FROM function_runs r WHERE r.organization_id = e.organization_id AND r.event_id = e.event_id
                                       AND r.state NOT IN ('completed', 'failed', 'cancelled')))
"""  # noqa: S608
NAMED_IN_NOTIFICATIONS = f"""
DELETE FROM notifications WHERE (organization_id = %(organization)s OR %(organization)s = ANY(mentioned_organizations))
   AND (EXISTS (SELECT FROM unnest(%(quoted)s::text[]) AS value WHERE position(value IN template_values) > 0)
        OR position(%(name)s::text IN subject || ' ' || message) > 0
        OR ({AS_NUMBER.format(text="template_values")}) AND finished_at IS NOT NULL)
"""  # noqa: S608
REACHED = """
DELETE FROM document_namespaces n WHERE n.document_id = %(document)s AND n.namespace = ANY(%(namespaces)s)
   AND NOT EXISTS (SELECT 1 FROM lineage l WHERE l.document_id = n.document_id AND l.version = n.version
                                             AND l.namespace = n.namespace)
"""
# Forgets the files: read again they would bring the rows back, and an upload of the same bytes or key must be new.
FILES = """
UPDATE versions SET object_key = '', sha256 = '', upload_key = NULL
 WHERE document_id = %(document)s AND version = ANY(%(versions)s)
"""


@dataclass(frozen=True, slots=True)
class ErasedRows:
    """What was erased of one document."""

    rows: int
    embeddings: int


@dataclass(frozen=True, slots=True)
class ErasedRecords:
    """What was erased beside documents, of an organization or of an employee: rows of each kind."""

    employees: int = 0
    templates: int = 0
    embeddings: int = 0
    events: int = 0
    notifications: int = 0


class Erasures:
    def __init__(self, database: Database) -> None:
        self._database = database

    def documents(self, organization_id: str) -> list[str]:
        """Every document of the organization, those whose removal was requested too."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT document_id FROM documents WHERE organization_id = %s ORDER BY document_id", (organization_id,)
            ).fetchall()
        return [row["document_id"] for row in rows]

    def in_work(self, organization_id: str) -> list[str]:
        """Documents of the organization with a version that waits or is processed."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT DISTINCT document_id FROM versions JOIN documents d USING (document_id) "
                "WHERE d.organization_id = %s AND d.removal_requested_at IS NULL AND status IN ('pending', "
                "'processing') "
                "ORDER BY document_id",
                (organization_id,),
            ).fetchall()
        return [row["document_id"] for row in rows]

    def is_known(self, organization_id: str) -> bool:
        """Whether the ledger holds anything of an organization."""
        with self._database.transaction() as connection:
            return any(
                connection.execute(
                    f"SELECT 1 FROM {table} WHERE organization_id = %s LIMIT 1",  # noqa: S608 - names of our own
                    (organization_id,),
                ).fetchone()
                for table in HOLDERS
            )

    def namespace(self, organization_id: str, employee_number: str) -> str | None:
        """The namespace of the employee's rows; None if the employee is not in the list."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT namespace FROM employees WHERE organization_id = %s AND employee_number = %s",
                (organization_id, employee_number),
            ).fetchone()
        return row["namespace"] if row else None

    def namespaces(self, organization_id: str, employee_number: str) -> dict[str, list[str] | None]:
        """Each namespace of the employee's rows → None for all of it, or their vectors if it is another's now."""
        params = {"organization": organization_id, "employee": employee_number}
        with self._database.transaction() as connection:
            rows = connection.execute(NAMESPACES, params).fetchall()
        return {
            row["namespace"]: [str(vector) for vector in row["vectors"] or ()] if row["shared"] else None
            for row in rows
        }

    def versions_with(self, organization_id: str, employee_number: str) -> dict[str, list[int]]:
        """Document → its versions that have rows of the employee, or were never read so far that it is known."""
        params = {"organization": organization_id, "employee": employee_number}
        with self._database.transaction() as connection:
            rows = connection.execute(OF_EMPLOYEE, params).fetchall()
        by_document: dict[str, list[int]] = {}
        for row in rows:
            by_document.setdefault(row["document_id"], []).append(row["version"])
        return by_document

    def erase_rows(
        self,
        organization_id: str,
        document_id: str,
        versions: Sequence[int],
        employee_number: str,
        namespaces: Sequence[str],
    ) -> ErasedRows:
        """Empty the employee's rows of a document, and delete embeddings that nobody else needs.

        The files of these versions are deleted already: they cannot be read again.
        """
        params = {
            "organization": organization_id,
            "document": document_id,
            "versions": list(versions),
            "employee": employee_number,
            "namespaces": list(namespaces),
            "reason": ERASED.message,
            "code": ERASED.code,
            "most": MAX_LISTED_ERRORS,
        }
        with self._database.transaction() as connection:
            lock(connection, LockKind.EMBEDDINGS, organization_id)
            connection.execute(TEXTS, params)
            connection.execute("ANALYZE texts")
            rows = connection.execute(ROWS, params).rowcount
            connection.execute(REACHED, params)
            connection.execute(BATCHES, params)
            connection.execute(RESULTS, params)
            connection.execute(RUN_OUTPUTS, params)
            connection.execute(FILES, params)
            return ErasedRows(rows, connection.execute(UNNEEDED, params).rowcount)

    def erase_employee(self, organization_id: str, employee_number: str) -> ErasedRecords:
        """Delete them from the list, their keys, and events and notifications that name them."""
        params = {"organization": organization_id, "employee": employee_number}
        with self._database.transaction() as connection:
            row = connection.execute(
                "DELETE FROM employees WHERE organization_id = %(organization)s AND employee_number = %(employee)s "
                "RETURNING name",
                params,
            ).fetchone()
            connection.execute(
                "DELETE FROM keys WHERE organization_id = %(organization)s AND employee_id = %(employee)s", params
            )
            name = (row and row["name"]) or employee_number
            named = params | {
                "name": name if row and len(name) > 1 else None,  # a single letter would be found in every text
                "quoted": [json.dumps(employee_number), json.dumps(name)],
                **as_number(employee_number),
            }
            return ErasedRecords(
                employees=1 if row else 0,
                events=connection.execute(NAMED_IN_EVENTS, named).rowcount,
                notifications=connection.execute(NAMED_IN_NOTIFICATIONS, named).rowcount,
            )

    def forget_events(self, organization_id: str) -> int:
        """Delete what apps sent, with the runs that still wait; returns how many events."""
        with self._database.transaction() as connection:
            deleted = connection.execute("DELETE FROM events WHERE organization_id = %s", (organization_id,)).rowcount
            connection.execute("DELETE FROM event_idempotency_keys WHERE organization_id = %s", (organization_id,))
        return deleted

    def erase_organization(self, organization_id: str) -> ErasedRecords:
        """Delete what an organization has beside its documents, which are deleted before.

        Nothing is deleted if documents were uploaded meanwhile: they need it.
        """
        with self._database.transaction() as connection:
            lock(connection, LockKind.EMBEDDINGS, organization_id)
            if connection.execute("SELECT 1 FROM documents WHERE organization_id = %s", (organization_id,)).fetchone():
                return ErasedRecords()
            of_operator = _erase_alerts(connection, organization_id)
            deleted = {
                table: connection.execute(
                    f"DELETE FROM {table} WHERE organization_id = %s",  # noqa: S608 - names of our own
                    (organization_id,),
                ).rowcount
                for table in HOLDERS
            }
            return ErasedRecords(
                employees=deleted["employees"],
                templates=deleted["templates"],
                embeddings=deleted["embeddings"],
                events=deleted["events"],
                notifications=deleted["notifications"] + of_operator,
            )

    def named(self, keys: list[str]) -> set[str]:
        """Of these object keys, those that a version names."""
        with self._database.transaction() as connection:
            rows = connection.execute("SELECT object_key FROM versions WHERE object_key = ANY(%s)", (keys,)).fetchall()
        return {row["object_key"] for row in rows}


def _erase_alerts(connection: Connection, organization_id: str) -> int:
    """Delete the operator's notifications and alerts about the organization; returns how many notifications.

    An alert about others too stays, without this one.
    """
    params = {"organization": organization_id}
    notifications = connection.execute(
        "DELETE FROM notifications WHERE %(organization)s = ANY(mentioned_organizations)", params
    ).rowcount
    connection.execute("DELETE FROM alerts WHERE organizations = ARRAY[%(organization)s::text]", params)
    connection.execute(
        "UPDATE alerts SET organizations = array_remove(organizations, %(organization)s) "
        "WHERE %(organization)s = ANY(organizations)",
        params,
    )
    return notifications


def as_number(employee_number: str) -> dict[str, str | None]:
    """Parameters that find it as a JSON number; None for both if no number is spelt so, as in 007 or E1."""
    if not re.fullmatch(r"0|[1-9][0-9]*", employee_number):
        return {"digits": None, "number": None}
    return {"digits": employee_number, "number": rf"[\[:,]\s*{employee_number}(?:\.0+)?\s*[],}}]"}
