"""Employee lists: a table with the columns employeeNumber, name and, if wanted, namespace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Employee:
    """One line of an employee list; without a namespace of its own the default one is derived."""

    employee_number: str
    name: str
    namespace: str | None = None
