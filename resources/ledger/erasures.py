"""Erasures: everything that names an organization, or one of its employees, out of the ledger."""

from dataclasses import dataclass

from resources.database.connections import Connection, Database
from resources.ledger.removals import FORGETTING, UNNEEDED

ERASED = "this row was erased on request"

# A row is an employee's by its namespace; before they were in the list, by what its error says (`rows.py`).
THEIRS = "(l.namespace = %(namespace)s OR l.namespace IS NULL AND l.error LIKE %(unknown)s)"

OF_EMPLOYEE = f"""
SELECT DISTINCT l.document_id, l.version FROM lineage l JOIN documents d USING (document_id)
 WHERE d.organization_id = %(organization)s AND {THEIRS} ORDER BY l.document_id, l.version
"""  # noqa: S608 - a constant of this module

TEXTS = f"""
CREATE TEMP TABLE texts ON COMMIT DROP AS
SELECT DISTINCT v.model, l.text_hash FROM versions v JOIN lineage l USING (document_id, version)
 WHERE v.document_id = %(document)s AND {THEIRS} AND l.text_hash IS NOT NULL
"""  # noqa: S608

# The row stays as a number, so that the counts still add up to the rows of the file (law 3).
ROWS = f"""
UPDATE lineage l SET outcome = 'error', error = %(reason)s, employee_id = NULL, namespace = NULL, vector_id = NULL,
       content_hash = NULL, text_hash = NULL, needs_embedding = false, row_key = '', content = '', source_row = '{{}}'
 WHERE l.document_id = %(document)s AND {THEIRS}
"""  # noqa: S608

# What was told of them: the errors of batches and results, and the namespaces that a result names.
TOLD = """
(SELECT coalesce(jsonb_agg(CASE WHEN e ->> 'message' LIKE %(unknown)s
                                THEN jsonb_set(e, '{{message}}', to_jsonb(%(reason)s::text)) ELSE e END), '[]')
   FROM jsonb_array_elements({errors}) e)
"""
BATCHES = f"UPDATE batches SET errors = {TOLD.format(errors='errors')} WHERE document_id = %(document)s"  # noqa: S608
RESULTS = f"""
UPDATE versions SET result = result || jsonb_build_object(
           'namespacesUpdated', (result -> 'namespacesUpdated') - %(namespace)s::text,
           'errors', {TOLD.format(errors="result -> 'errors'")})
 WHERE document_id = %(document)s AND result IS NOT NULL
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class ErasedRows:
    """What was erased of one document."""

    rows: int
    embeddings: int


class Erasures:
    def __init__(self, database: Database) -> None:
        self._database = database

    def documents(self, organization_id: str) -> list[str]:
        """Every document of the organization, those on their way out too."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT document_id FROM documents WHERE organization_id = %s ORDER BY document_id", (organization_id,)
            ).fetchall()
        return [row["document_id"] for row in rows]

    def namespace(self, organization_id: str, employee_number: str) -> str | None:
        """Where the employee's rows live; None where the employee is not in the list."""
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT namespace FROM employees WHERE organization_id = %s AND employee_number = %s",
                (organization_id, employee_number),
            ).fetchone()
        return row["namespace"] if row else None

    def versions_with(self, organization_id: str, employee_number: str, namespace: str) -> dict[str, list[int]]:
        """Document → its versions that have rows of the employee."""
        at = {"organization": organization_id, "namespace": namespace, "unknown": unknown(employee_number)}
        with self._database.transaction() as connection:
            rows = connection.execute(OF_EMPLOYEE, at).fetchall()
        found: dict[str, list[int]] = {}
        for row in rows:
            found.setdefault(row["document_id"], []).append(row["version"])
        return found

    def erase_rows(self, organization_id: str, document_id: str, employee_number: str, namespace: str) -> ErasedRows:
        """Take what they say out of the employee's rows of a document, with embeddings that nobody else needs."""
        at = {
            "organization": organization_id,
            "document": document_id,
            "namespace": namespace,
            "unknown": unknown(employee_number),
            "reason": ERASED,
        }
        with self._database.transaction() as connection:
            connection.execute(FORGETTING, at)
            connection.execute(TEXTS, at)
            connection.execute("ANALYZE texts")
            rows = connection.execute(ROWS, at).rowcount
            connection.execute(BATCHES, at)
            connection.execute(RESULTS, at)
            connection.execute(
                "DELETE FROM document_namespaces WHERE document_id = %(document)s AND namespace = %(namespace)s", at
            )
            return ErasedRows(rows, connection.execute(UNNEEDED, at).rowcount)

    def erase_employee(self, organization_id: str, employee_number: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM employees WHERE organization_id = %s AND employee_number = %s",
                (organization_id, employee_number),
            )
            connection.execute(
                "DELETE FROM keys WHERE organization_id = %s AND employee_id = %s", (organization_id, employee_number)
            )

    def erase_organization(self, organization_id: str) -> dict[str, int]:
        """Employees, templates and embeddings of an organization whose documents are gone; how many of each."""
        with self._database.transaction() as connection:
            connection.execute(FORGETTING, {"organization": organization_id})
            _delete(connection, "DELETE FROM keys WHERE organization_id = %s", organization_id)
            return {
                "employees": _delete(connection, "DELETE FROM employees WHERE organization_id = %s", organization_id),
                "templates": _delete(connection, "DELETE FROM templates WHERE organization_id = %s", organization_id),
                "embeddings": _delete(connection, "DELETE FROM embeddings WHERE organization_id = %s", organization_id),
            }

    def other_uploads(self, organization_id: str, keys: list[str]) -> set[str]:
        """Of these object keys, those that an organization other than this one has uploaded."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT v.object_key FROM versions v JOIN documents d USING (document_id) "
                "WHERE d.organization_id <> %s AND v.object_key = ANY(%s)",
                (organization_id, keys),
            ).fetchall()
        return {row["object_key"] for row in rows}


def _delete(connection: Connection, statement: str, organization_id: str) -> int:
    return connection.execute(statement, (organization_id,)).rowcount


def unknown(employee_number: str) -> str:
    """A LIKE pattern for what is told of a row whose employee is not in the list."""
    escaped = employee_number.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"employee {escaped} (column %"
