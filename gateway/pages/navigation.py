"""What the menu holds: the pages that a caller may see, the first of which is where they begin."""

from dataclasses import dataclass

from domain.access.api_keys import Caller, Role


@dataclass(frozen=True, slots=True)
class Place:
    role: Role
    address: str
    name: str  # in the catalogues, after `nav.`

    def is_current(self, path: str) -> bool:
        if self.address == "/":
            return path == "/" or path.startswith("/d/")
        return path == self.address or path.startswith(f"{self.address}/")


PLACES = (
    Place("upload", "/", "documents"),
    Place("search", "/search", "search"),
    Place("events", "/events", "events"),
    Place("events", "/functions", "functions"),
)


def menu_of(caller: Caller | None) -> list[Place]:
    """A key of one employee searches, and sees nothing else."""
    if caller is None:
        return []
    return [place for place in PLACES if caller.may(place.role) and (place.role == "search" or not caller.employee_id)]
