"""Error workbooks: the uploaded file with the errors of its rows.

An xlsx comes back as it was, with one more column; of any other format its rows are read once more into an xlsx.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from domain.documents.tables import ReadWarning, RowBatch
from domain.errors import Conflict
from formats.detection import Kind, kind_of
from formats.limits import Limits
from formats.reading import read_workbook
from formats.writers.error_workbook import write_error_workbook, write_marked_workbook
from resources.ledger.documents.documents import Version
from resources.ledger.ledger import Ledger
from resources.objects.protocol import ObjectStore


@dataclass(frozen=True, slots=True)
class ErrorWorkbooks:
    """Error workbooks of versions, for the command and HTTP."""

    ledger: Ledger
    objects: ObjectStore
    limits: Limits

    def write(self, version: Version, target: Path) -> int:
        """Write the version's error workbook to `target`; returns how many rows are wrong. If none, nothing is written.

        Raises Conflict for a version whose rows are not known yet.
        """
        if version.state.plan_key is None:
            why = version.error or f"it is {version.status}"
            raise Conflict(f"Version {version.version} of {version.document_id} has no rows yet: {why}")
        if not self.ledger.lineage.error_count(version):
            return 0
        with self.objects.local(version.file) as path:

            def read(file: Path = path) -> Iterator[RowBatch | ReadWarning]:
                return read_workbook(file, version.filename, version.template.layout, self.limits)

            if kind_of(path) is Kind.XLSX and (
                wrong := write_marked_workbook(path, target, read, self.ledger.lineage.all_errors(version))
            ):
                return wrong
            return write_error_workbook(target, read, self.ledger.lineage.all_errors(version))
