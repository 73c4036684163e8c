"""What is told of documents, as OpenAPI describes it: the shapes of domain/documents/{statuses,answers}.py."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from domain.documents.rows import Mode
from domain.documents.statuses import Status

DOCUMENT_ID = "doc_01a1fcd2266c718b810e8b4bee2183a6"


class Uploaded(BaseModel):
    """A version of a document that was taken in."""

    documentId: str = Field(examples=[DOCUMENT_ID])
    version: int = Field(examples=[1])
    filename: str = Field(examples=["premiums_ko.xlsx"])
    status: Status = Field(examples=["pending"])
    known: bool = Field(False, description="There only where a version held the same bytes already.")


class Uploads(BaseModel):
    """As `rowline upload --json` tells it; one request is one file."""

    documents: list[Uploaded]


class Message(BaseModel):
    """Why a version failed."""

    message: str


class Document(Uploaded):
    """A document by its current version."""

    organizationId: str = Field(examples=["acme"])
    liveVersion: int | None = Field(examples=[1], description="The version that searches show.")
    mode: Mode
    template: str = Field(examples=["premiums"])
    byteSize: int
    uploadedAt: datetime
    errorRows: int = Field(0, description="There only where rows are wrong.")
    error: Message | None = Field(None, description="There only where the version failed.")


class Page(BaseModel):
    """Part of a list; without `nextCursor` it was the last one."""

    nextCursor: str | None


class Documents(Page):
    """A page of documents, newest first."""

    documents: list[Document]


class Versions(BaseModel):
    """All kept versions of a document, newest first."""

    versions: list[Document]


class RowError(BaseModel):
    """A wrong row, by the number that a person sees in the sheet."""

    sheet: str | None = None
    rowNumber: int
    message: str


class Batch(BaseModel):
    """One unit of progress."""

    batchNumber: int
    totalBatches: int
    startRow: int
    endRow: int
    status: Status
    processedRows: int
    vectorsCreated: int
    errors: list[RowError]


class Batches(Page):
    """A page of a version's batches, in order."""

    batches: list[Batch]


class Progress(BaseModel):
    """How far a version is."""

    batchesDone: int
    batchesTotal: int
    rowsDone: int
    rowsTotal: int
    errorRows: int = Field(0, description="There only where rows are wrong.")
    waitsFor: str | None = Field(None, description="There only while a service is waited for.")


class Result(BaseModel):
    """What came of a version; the first 100 wrong rows are named."""

    totalRows: int
    processedRows: int
    skippedRows: int
    errorRows: int
    unchangedRows: int
    duplicateRows: int
    vectorsCreated: int
    vectorsDeleted: int
    namespacesUpdated: list[str]
    embeddedInputs: int
    tokens: int
    costUsd: float | None
    processingTimeMs: int
    errors: list[RowError]


class DocumentStatus(Uploaded):
    """Where a version stands."""

    liveVersion: int | None = Field(None, description="There only where searches show another version.")
    progress: Progress
    batches: list[Batch]
    result: Result | None
    error: Message | None


class RollingBack(BaseModel):
    """A document on its way back."""

    documentId: str
    targetVersion: int
    liveVersion: int | None = Field(description="The version that searches show until then.")
    eventId: str = Field(description="The event document/rollback that it was kept as.")


class CleanedUp(BaseModel):
    """What went, or would go in a dry run."""

    documentId: str
    dryRun: bool
    versions: list[int]
    vectorsDeleted: int
    namespacesAffected: list[str]
    embeddingsDeleted: int
    objectsDeleted: int
    inboxFilesDeleted: int
    ordersCancelled: int = Field(description="Orders at OpenAI, with the files it keeps of them.")


class Removing(CleanedUp):
    """A document on its way out, and what goes with it."""

    eventId: str = Field(description="The event document/cleanup that it was kept as.")


class Source(BaseModel):
    """A live row that a hit comes from."""

    documentId: str
    version: int
    filename: str
    sheet: str
    rowNumber: int
    employeeId: str | None


class Hit(BaseModel):
    """One vector that is near to the question."""

    score: float
    text: str
    vectorId: str
    namespace: str
    sources: list[Source]


class Hits(BaseModel):
    """The best hits, best first."""

    hits: list[Hit]
    notSearched: list[str] = Field(
        [],
        description="There only where live documents are out of reach: vectors of another model, or in another store.",
    )


class Row(Source):
    """A row that points at the vector, of any kept version."""

    live: bool
    batchNumber: int
    runId: str
    outcome: str
    sourceRow: dict[str, Any]


class Lineage(BaseModel):
    """Everything that a vector came from."""

    vectorId: str
    namespace: str
    contentHash: str
    model: str
    dimension: int
    embeddedAt: datetime | None
    text: str
    rows: list[Row]
