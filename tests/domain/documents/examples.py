"""Rows, sheets and names that the tests of this folder share."""

from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st

from domain.documents.row_errors import MESSAGES
from domain.documents.rows import Owner, Reading, Row, document_rows
from domain.documents.tables import RowBatch, SheetHeader
from domain.documents.templates import RagConfig, WorkbookTemplate

MODEL = "local/use-m3/512"
COMPANY = Owner("acme", "company_wide", {})
SPLIT = Owner("acme", "employee_split", {"E1": "org_acme/employee_E1", "E2": "org_acme/employee_E2"})

patiently = settings(deadline=None)  # two shared cores: slowness is no failure

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
# pieces that could be put together to look like somebody else's namespace
name_pieces = st.sampled_from(["a", "b", "1", "org_", "employee_", "employee", "_", "-", ".", "@", "가", "é", "org"])
names = (
    st.lists(name_pieces, min_size=1, max_size=5).map("".join).filter(lambda name: name[0] != "_" and name[0].isalnum())
)


def template(text: str | None = None, metadata: tuple[str, ...] = (), **fields: object) -> WorkbookTemplate:
    """A template with the given embeddingTemplate and metadataFields."""
    rag = RagConfig(embedding_template=text, metadata_fields=metadata)
    return WorkbookTemplate.model_validate({"rag_config": rag, **fields})


def sheet(columns: list[str], rows: list[list[str]], name: str = "Sheet1", first: int = 2) -> RowBatch:
    """A part of a file: the header in row 1, the rows below it."""
    header = SheetHeader(name, tuple(columns), (1,))
    return RowBatch(header, [(first + i, tuple(cells)) for i, cells in enumerate(rows)])


def rows_of(
    parts: list[RowBatch], chosen: WorkbookTemplate | None = None, owner: Owner = COMPANY, batch_rows: int = 100
) -> list[Row]:
    found = document_rows(parts, chosen or WorkbookTemplate(), owner, MODEL, batch_rows, Reading())
    return [row for part in found for row in part]


def row(**changes: object) -> Row:
    """One good row, with changes."""
    plain = Row(
        position=0,
        sheet="Sheet1",
        row_number=2,
        batch_number=1,
        employee_id=None,
        namespace="org_acme",
        error=None,
        vector_id=UUID(int=7),
        content_hash=bytes(16),
        text_hash=bytes(16),
        row_key=bytes(16),
        content="name: Kim",
        source_row=b'{"name":"Kim"}',
    )
    return plain._replace(**changes)  # type: ignore[arg-type]


hashes = st.binary(min_size=16, max_size=16)
numbers = st.integers(0, 2**31 - 1)
any_rows = st.builds(
    Row,
    position=numbers,
    sheet=any_text,
    row_number=numbers,
    batch_number=numbers,
    employee_id=st.none() | any_text,
    namespace=st.none() | any_text,
    error=st.none() | any_text,
    vector_id=st.none() | st.uuids(),
    content_hash=hashes,
    text_hash=hashes,
    row_key=hashes,
    content=any_text,
    source_row=st.binary(max_size=40),
    error_code=st.none() | st.sampled_from(sorted(MESSAGES)),
    employee_key=st.none() | any_text,
)
