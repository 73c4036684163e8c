"""What the events that start something must say, typed; more than that is kept and not looked at."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from domain.documents.rows import Mode
from domain.notifications.messages import SendNotification

MOST_ID = 200


def storable(text: str) -> str:
    """Raises ValueError for what PostgreSQL keeps in no text."""
    if "\0" in text:
        raise ValueError("must not hold a NUL")
    text.encode()  # half of a surrogate pair: UnicodeEncodeError is a ValueError
    return text


Text = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(storable)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=MOST_ID), AfterValidator(storable)]


class Payload(BaseModel):
    """`data` of an event. Field names are camelCase outside."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, strict=True, hide_input_in_errors=True
    )

    tenant_id: Id | None = Field(None, description="The organization; if given, it must be the key's own.")

    @property
    def subject(self) -> str | None:
        """What it is about: what is about the same thing is done in the order of arrival."""
        return None


class DocumentPayload(Payload):
    """Something about one document."""

    document_id: Id = Field(description="The document: its id, or the name that the app gave it when it uploaded it.")

    @property
    def subject(self) -> str | None:
        return self.document_id


class DocumentUploaded(DocumentPayload):
    """A file lies in the object store and is to become a document, or the next version of one."""

    filename: Text = Field(description="The file's name, as a person knows it.")
    file_path: Text = Field(description="Where it lies: a key of the object store, or s3://bucket/key in its bucket.")
    file_type: Text | None = Field(None, description="Told only; what the file is, its content says.")
    dataset_id: Id | None = Field(None, description="Told only.")
    user_id: Id | None = Field(None, description="Told only.")
    template: Text | None = Field(None, description="A stored template, by name.")
    mode: Mode | None = Field(
        None, description="company_wide or employee_split; unset: split where the template names an employee column."
    )


class DocumentProcess(DocumentPayload):
    """A document is to be processed; a failed one is tried again."""


class DocumentCleanup(DocumentPayload):
    """A document is to be removed whole."""


class DocumentRollback(DocumentPayload):
    """A document is to go back to an older version."""

    target_version: int = Field(ge=1, lt=2**31, description="The completed version that is to be live again.")


class SyncRequested(Payload):
    """Ledger and vector store are to be compared."""

    repair: bool = Field(False, description="Restore what is missing, delete what nobody needs; nothing is embedded.")


class NotificationSend(SendNotification, Payload):
    """A message is to be sent: over Slack, by e-mail or to a webhook."""


def schema_of(payload: type[Payload]) -> dict[str, Any]:
    """The payload as JSON Schema."""
    return payload.model_json_schema(by_alias=True)
