"""What each error code means and what to do about it: the source of docs/errors.md and of the page /docs/errors."""

from typing import NamedTuple

from domain.errors import ErrorCode

PATH = "/docs/errors"  # of the gateway's page; a problem document's `type` leads there


class Entry(NamedTuple):
    """`meaning` says what happened, `fix` what the reader does next; both in Markdown without links."""

    meaning: str
    fix: str


class Section(NamedTuple):
    """The codes about one subject, in the order in which the page lists them."""

    title: str
    entries: dict[ErrorCode, Entry]


REQUEST = Section(
    "About the request",
    {
        ErrorCode.INVALID_REQUEST: Entry(
            "A value of the request is missing, has the wrong type or is out of its range. Over HTTP, `errors` names "
            "each wrong field with its reason.",
            "Correct the fields that the message names. Sending the same request again changes nothing.",
        ),
        ErrorCode.MALFORMED_REQUEST: Entry(
            "The request cannot be taken apart: a form that breaks off, an id of the wrong shape, a header that is "
            "not what the protocol asks for.",
            "Look at how the client builds the request; the message says which part is wrong.",
        ),
        ErrorCode.INVALID_USAGE: Entry(
            "The command was called with an unknown option, or without an argument that it needs.",
            "Run the command with `--help`; it lists arguments and options.",
        ),
        ErrorCode.NOT_FOUND: Entry(
            "The document, version, vector, event, key or organization does not exist, or belongs to another "
            "organization; the two are not distinguished.",
            "Check the id and whose key you use. `rowline documents` lists the documents.",
        ),
        ErrorCode.UNKNOWN_ADDRESS: Entry(
            "No route has this path.",
            "Compare the path with `/openapi.json`.",
        ),
        ErrorCode.METHOD_NOT_ALLOWED: Entry(
            "The path exists, but not for this HTTP method.",
            "Use one of the methods that the header `Allow` names.",
        ),
        ErrorCode.CONFLICT: Entry(
            "The request does not fit the present state: a retry of a version that did not fail, a rollback while a "
            "version is being processed, an `Idempotency-Key` that was used for another file.",
            "Read the state (`rowline status`, `GET /documents/{id}`) and decide anew.",
        ),
        ErrorCode.TOO_LARGE: Entry(
            "The body, the file or the number of items is over a limit that the message names.",
            "Send less at once, or have the limit raised; docs/settings.md lists the limits.",
        ),
        ErrorCode.UNSUPPORTED_MEDIA_TYPE: Entry(
            "The `Content-Type` is not the one that this route reads.",
            "Send JSON as `application/json`, files as `multipart/form-data`.",
        ),
        ErrorCode.ADDRESS_TOO_LONG: Entry(
            "Path and query together are longer than the gateway reads.",
            "Send the values in a body, with POST.",
        ),
        ErrorCode.HEADERS_TOO_LARGE: Entry(
            "The request has too many headers, or too many bytes of them.",
            "Leave out headers and cookies that Rowline does not need.",
        ),
        ErrorCode.REQUEST_TIMEOUT: Entry(
            "The client stopped sending before the request was complete.",
            "Send the request again, over a connection that holds.",
        ),
    },
)
CALLER = Section(
    "About who asks",
    {
        ErrorCode.UNAUTHORIZED: Entry(
            "There is no key, or the key is unknown, expired, revoked or made for another environment.",
            "Send `Authorization: Bearer <key>` with an active key; `rowline keys create` makes one.",
        ),
        ErrorCode.INVALID_SIGNATURE: Entry(
            "The request's signature is missing, too old, used before, or does not match the body.",
            "Sign each request anew with `INNGEST_SIGNING_KEY`, and compare the clocks of both computers.",
        ),
        ErrorCode.FORBIDDEN: Entry(
            "The key is good, but has not the role that this route needs, or is limited to one employee. A browser "
            "gets the same for a change that a page of another site asked for.",
            "Use a key with the role that the message names.",
        ),
        ErrorCode.ORGANIZATION_MISMATCH: Entry(
            "An event names another organization (`data.tenantId`) than the one its key belongs to.",
            "Leave `tenantId` out, or send the event with that organization's key.",
        ),
        ErrorCode.RATE_LIMITED: Entry(
            "The key, or the address with wrong keys, asked more often than is allowed in a minute.",
            "Wait as many seconds as `Retry-After` says, then go on more slowly.",
        ),
    },
)
FILES = Section(
    "About a file",
    {
        ErrorCode.UNREADABLE_FILE: Entry(
            "The file cannot become rows, for a reason that has no code of its own.",
            "The message says what to change; open the file in Excel, correct it and send it again.",
        ),
        ErrorCode.UNSUPPORTED_FORMAT: Entry(
            "The content is no workbook and no text table, whatever the name of the file says.",
            "Send xlsx, xlsm, xls, xlsb, ods, csv or tsv; save a file of another program as one of these.",
        ),
        ErrorCode.PASSWORD_PROTECTED: Entry(
            "The file is encrypted.",
            "Save it without the password and send it again.",
        ),
        ErrorCode.DAMAGED_FILE: Entry(
            "The file begins like a workbook, but no reader gets through it; often it was not sent completely.",
            "Open it in Excel, save it again and send that file.",
        ),
        ErrorCode.EMPTY_FILE: Entry(
            "The file has no bytes, or no sheet that is read has a cell with a value.",
            "Look into the file: the rows may be in a hidden sheet, or the export may have failed.",
        ),
        ErrorCode.FILE_TOO_LARGE: Entry(
            "The file, a row of it, or what it unpacks to needs more memory, time or text than one file may.",
            "Split it into smaller files, or save it again without formats, images and formulas.",
        ),
        ErrorCode.TOO_MANY_COLUMNS: Entry(
            "A sheet has more columns than are read.",
            "Delete the columns that are not needed; often they are empty and only formatted.",
        ),
        ErrorCode.UNSAFE_FILE: Entry(
            "The file is built in a way that only attacks are: a zip bomb, parts with unsafe or repeated names.",
            "Open it in Excel, save it again and send that file.",
        ),
        ErrorCode.NO_TABLE: Entry(
            "The file opens, but no sheet has a header row with rows below it.",
            "Give the table a header row, or name it in the template with `headerRow`.",
        ),
        ErrorCode.UNKNOWN_SHEET: Entry(
            "The template names a sheet that the file does not have.",
            "Correct `sheet` in the template, or rename the sheet; the message lists those of the file.",
        ),
        ErrorCode.TEMPLATE_MISMATCH: Entry(
            "The file lacks columns that the template needs, or two of its columns map to the same field.",
            "Compare the header of the file with `columnMapping` of the template.",
        ),
    },
)
DOCUMENTS = Section(
    "About a document",
    {
        ErrorCode.VERSION_FAILED: Entry(
            "Processing this version ended with an error; the live version, if there is one, is unchanged.",
            "Read the message, correct the cause and run `rowline retry`, or upload a corrected file.",
        ),
        ErrorCode.NOT_PROCESSED_YET: Entry(
            "The version is waiting or being processed; its rows and vectors are not there yet.",
            "Ask again later; `rowline status` shows the progress.",
        ),
    },
)
DEPLOYMENT = Section(
    "About this deployment and its services",
    {
        ErrorCode.CONFIGURATION: Entry(
            "A setting is missing, still a placeholder, wrong, or does not fit another one or the service it names.",
            "Correct the setting that the message names; `rowline doctor` checks all of them.",
        ),
        ErrorCode.DATABASE_UNAVAILABLE: Entry(
            "PostgreSQL is out of reach, starting, full, read-only, or all connections are in use. Nothing was lost.",
            "Try again; if it lasts, run `rowline doctor` and see docs/postgres.md.",
        ),
        ErrorCode.DATABASE_OUTDATED: Entry(
            "The database lacks a table or column that this version of Rowline needs.",
            "Run `rowline db upgrade` with the address of the database's owner.",
        ),
        ErrorCode.EMBEDDING_SERVICE_UNAVAILABLE: Entry(
            "The embedding service is out of reach, overloaded, or answered something that cannot be read.",
            "Try again later; runs do so by themselves. Check `OPENAI_BASE_URL` if it lasts.",
        ),
        ErrorCode.EMBEDDING_QUOTA_EXHAUSTED: Entry(
            "The account at the embedding service has no credit left.",
            "Add credit, then run `rowline retry`; batches that are finished are not paid again.",
        ),
        ErrorCode.EMBEDDING_MODEL_UNKNOWN: Entry(
            "The embedding service does not know the model, or nothing is at its address.",
            "Check `EMBEDDING_MODEL`, and `OPENAI_BASE_URL` if it is set.",
        ),
        ErrorCode.EMBEDDING_INPUT_REJECTED: Entry(
            "The embedding service refuses a text, mostly because it is too long for the model.",
            "Leave columns out of `embeddingTemplate`, or shorten the cell that the message names.",
        ),
        ErrorCode.EMBEDDING_RESULT_EXPIRED: Entry(
            "The result of an embedding job was deleted by the service before it was fetched.",
            "Run `rowline retry`; the texts are embedded anew.",
        ),
        ErrorCode.VECTOR_STORE_UNAVAILABLE: Entry(
            "The vector store is out of reach, overloaded, or answered something that cannot be read.",
            "Try again later; runs do so by themselves, and `rowline sync-vectors --repair` restores what is missing.",
        ),
        ErrorCode.VECTOR_STORE_REJECTED: Entry(
            "The vector store refuses what it was sent: too large, or outside the limits of its plan.",
            "The message repeats the store's reason; check the index, its dimension and its plan.",
        ),
        ErrorCode.OBJECT_STORE_UNAVAILABLE: Entry(
            "The object storage is out of reach, overloaded, or its answer is not one of S3.",
            "Try again; if it lasts, check `OBJECT_STORE`, `S3_ENDPOINT_URL` and the proxies in between.",
        ),
        ErrorCode.OBJECT_STORE_FULL: Entry(
            "The object storage takes no more bytes.",
            "Free space or raise the quota, then try again.",
        ),
        ErrorCode.OBJECT_MISSING: Entry(
            "A stored file is no longer in the object storage, although the ledger names it.",
            "Upload the file again, and find out what deletes objects (lifecycle rules, a person).",
        ),
        ErrorCode.OBJECT_ALTERED: Entry(
            "A stored file is not what was stored: its checksum differs.",
            "Try again; if it lasts, upload the file again and check the storage.",
        ),
        ErrorCode.OVERLOADED: Entry(
            "The gateway works on as much as it can, or did not finish in time. Nothing of the request was kept, "
            "unless the message says otherwise.",
            "Wait as many seconds as `Retry-After` says and send the request again, with the same idempotency key.",
        ),
        ErrorCode.TEMPORARILY_UNAVAILABLE: Entry(
            "Something that Rowline needs is away for a reason that passes.",
            "Try again later; if it lasts, run `rowline doctor`.",
        ),
        ErrorCode.OPERATION_FAILED: Entry(
            "The operation failed for a reason that stays and has no code of its own.",
            "The message says what to change; afterwards the operation can be repeated.",
        ),
        ErrorCode.INTERNAL_ERROR: Entry(
            "A defect of Rowline, not of the request.",
            "Search the log for the request id, and report it with the lines around it.",
        ),
    },
)
SECTIONS = (REQUEST, CALLER, FILES, DOCUMENTS, DEPLOYMENT)


def problem_type(code: ErrorCode) -> str:
    """The URI reference of a problem document's `type`: the code's paragraph on the gateway's page."""
    return f"{PATH}#{code}"
