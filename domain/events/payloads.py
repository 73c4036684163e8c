"""Typed payloads of the events that start something; other fields are stored and not read."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from domain.documents.rows import Mode
from domain.notifications.messages import SendNotification

MAX_ID_LENGTH = 200


def storable(text: str) -> str:
    """The text. Raises ValueError if PostgreSQL cannot store it."""
    if "\0" in text:
        raise ValueError("must not hold a NUL")
    text.encode()  # half of a surrogate pair: UnicodeEncodeError is a ValueError
    return text


Text = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(storable)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH), AfterValidator(storable)]


class Payload(BaseModel):
    """`data` of an event. Field names are camelCase outside."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, strict=True, hide_input_in_errors=True
    )

    tenant_id: Id | None = Field(None, description="The organization; if given, it must be the key's own.")

    @property
    def subject(self) -> str | None:
        """What the event is about: events about the same subject are processed in the order of arrival."""
        return None


class DocumentPayload(Payload):
    """Something about one document."""

    document_id: Id = Field(description="The document: its id, or the name that the app gave it when it uploaded it.")

    @property
    def subject(self) -> str | None:
        return self.document_id


class DocumentUploaded(DocumentPayload):
    """A file in the object store becomes a document, or the next version of one."""

    filename: Text = Field(description="The file's name, as a person knows it.")
    file_path: Text = Field(description="Where it lies: a key of the object store, or s3://bucket/key in its bucket.")
    file_type: Text | None = Field(None, description="Stored only; the format is detected from the content.")
    dataset_id: Id | None = Field(None, description="Stored only.")
    user_id: Id | None = Field(None, description="Stored only.")
    template: Text | None = Field(None, description="A stored template, by name.")
    mode: Mode | None = Field(
        None, description="company_wide or employee_split; unset: split where the template names an employee column."
    )


class DocumentProcess(DocumentPayload):
    """Process a document; a failed one is retried."""


class DocumentCleanup(DocumentPayload):
    """Remove a document with all its versions."""


class DocumentRollback(DocumentPayload):
    """Roll a document back to an older version."""

    target_version: int = Field(ge=1, lt=2**31, description="The completed version that is to be live again.")


class SyncRequested(Payload):
    """Compare ledger and vector store."""

    repair: bool = Field(False, description="Restore missing vectors, delete orphaned ones; nothing is embedded.")


class NotificationSend(SendNotification, Payload):
    """Send a message: over Slack, by e-mail or to a webhook."""


def schema_of(payload: type[Payload]) -> dict[str, Any]:
    """The payload as JSON Schema."""
    return payload.model_json_schema(by_alias=True)
