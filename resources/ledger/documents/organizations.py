"""Templates and employees of an organization."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from domain.documents.employees import Employee
from domain.documents.identifiers import DERIVED, checked_name, employee_namespace
from domain.documents.templates import WorkbookTemplate, template_of
from domain.errors import InvalidRequest
from resources.database.connections import Database


class Organizations:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put_template(self, organization_id: str, template: WorkbookTemplate) -> None:
        """Store the template under its name; a template of that name is replaced for later uploads only."""
        checked_name("Organization", organization_id)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO templates (organization_id, name, definition) VALUES (%s, %s, %s) "
                "ON CONFLICT (organization_id, name) DO UPDATE "
                "SET definition = excluded.definition, updated_at = now()",
                (organization_id, template.name, Jsonb(template.as_json())),
            )

    def template(self, organization_id: str, name: str) -> WorkbookTemplate:
        """Raises InvalidRequest if the organization has no template of that name."""
        with self._database.statement() as connection:
            row = connection.execute(
                "SELECT definition FROM templates WHERE organization_id = %s AND name = %s", (organization_id, name)
            ).fetchone()
        if row is None:
            raise InvalidRequest(
                f"Organization {organization_id} has no template {name}; "
                "who runs Rowline puts one with `rowline template put`"
            )
        return template_of(row["definition"])

    def templates(self, organization_id: str) -> list[dict[str, Any]]:
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT definition FROM templates WHERE organization_id = %s ORDER BY name", (organization_id,)
            ).fetchall()
        return [row["definition"] for row in rows]

    def put_employees(self, organization_id: str, employees: Sequence[Employee]) -> None:
        """Add or change employees; those not named stay.

        Raises InvalidRequest for a number that cannot stand in a namespace, and for a namespace that is somebody
        else's.
        """
        checked_name("Organization", organization_id)
        with self._database.transaction() as connection:
            for employee in employees:
                checked_name("Employee", employee.employee_number)
                default = employee_namespace(organization_id, employee.employee_number)
                namespace = employee.namespace or default
                if namespace.startswith(DERIVED) and namespace != default:
                    raise InvalidRequest(
                        f"Namespace {namespace} of employee {employee.employee_number} may not start with {DERIVED}: "
                        "those are derived; leave it empty or choose another"
                    )
                try:
                    connection.execute(
                        "INSERT INTO employees (organization_id, employee_number, name, namespace) "
                        "VALUES (%s, %s, %s, %s) ON CONFLICT (organization_id, employee_number) "
                        "DO UPDATE SET name = excluded.name, namespace = excluded.namespace",
                        (organization_id, employee.employee_number, employee.name, namespace),
                    )
                except psycopg.errors.UniqueViolation as error:
                    raise InvalidRequest(
                        f"Namespace {namespace} of employee {employee.employee_number} is taken"
                    ) from error

    def employees(self, organization_id: str) -> list[dict[str, Any]]:
        with self._database.statement() as connection:
            return connection.execute(
                'SELECT employee_number AS "employeeNumber", name, namespace FROM employees '
                "WHERE organization_id = %s ORDER BY employee_number",
                (organization_id,),
            ).fetchall()

    def employee_namespaces(self, organization_id: str) -> dict[str, str]:
        """employee number → namespace."""
        return {e["employeeNumber"]: e["namespace"] for e in self.employees(organization_id)}

    def namespaces(
        self, organization_id: str, employee_id: str | None = None, document_id: str | None = None
    ) -> list[str]:
        """Namespaces that hold live rows of the organization, or of one of its employees or documents."""
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT DISTINCT n.namespace FROM document_namespaces n JOIN documents d "
                "ON d.document_id = n.document_id AND d.live_version = n.version "
                "WHERE d.organization_id = %(organization)s "
                "AND (%(employee)s::text IS NULL OR n.employee_id = %(employee)s) "
                "AND (%(document)s::text IS NULL OR n.document_id = %(document)s) ORDER BY 1",
                {"organization": organization_id, "employee": employee_id, "document": document_id},
            ).fetchall()
        return [row["namespace"] for row in rows]

    def document_vectors(self, document_id: str) -> list[str]:
        """Ids of the vectors that the live version of a document points at."""
        with self._database.statement() as connection:
            rows = connection.execute(
                "SELECT unnest(n.vector_ids)::text AS vector_id FROM document_namespaces n JOIN documents d "
                "ON d.document_id = n.document_id AND d.live_version = n.version WHERE n.document_id = %s",
                (document_id,),
            ).fetchall()
        return [row["vector_id"] for row in rows]
