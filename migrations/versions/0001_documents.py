"""Documents: templates, employees, documents, versions, batches, lineage, embeddings.

Once this made pgvector's table as well; that is a branch of its own now (p001), because a ledger beside Pinecone has no
pgvector. What was made in the old way is put right by 0002.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = ("ledger",)
depends_on = None

STATEMENTS = """
CREATE TABLE templates (
    organization_id text NOT NULL,
    name            text NOT NULL,
    definition      jsonb NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, name)
);

CREATE TABLE employees (
    organization_id text NOT NULL,
    employee_number text NOT NULL,
    name            text NOT NULL,
    namespace       text NOT NULL UNIQUE,
    PRIMARY KEY (organization_id, employee_number)
);

CREATE TABLE documents (
    document_id     text PRIMARY KEY,
    organization_id text NOT NULL,
    live_version    integer,
    latest_version  integer NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX documents_of_organization ON documents (organization_id, document_id);

-- A version is a commit: what was uploaded, how it was to be read, and what came of it.
CREATE TABLE versions (
    document_id   text NOT NULL REFERENCES documents ON DELETE CASCADE,
    version       integer NOT NULL,
    filename      text NOT NULL,
    object_key    text NOT NULL,
    byte_size     bigint NOT NULL,
    sha256        bytea NOT NULL,
    mode          text NOT NULL CHECK (mode IN ('company_wide', 'employee_split')),
    template      jsonb NOT NULL,
    model         text NOT NULL,
    dimension     integer NOT NULL,
    status        text NOT NULL DEFAULT 'pending'
                  CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'rolled_back')),
    attempt       integer NOT NULL DEFAULT 1,
    upload_key    text UNIQUE,
    base_version  integer,
    plan_key      text,
    run_id        text,
    error         text,
    result        jsonb,
    uploaded_at   timestamptz NOT NULL DEFAULT now(),
    requested_at  timestamptz,
    started_at    timestamptz,
    completed_at  timestamptz,
    swept_at      timestamptz,
    PRIMARY KEY (document_id, version)
);
CREATE INDEX versions_waiting ON versions (uploaded_at) WHERE status = 'pending' AND requested_at IS NULL;

CREATE TABLE batches (
    document_id     text NOT NULL,
    version         integer NOT NULL,
    batch_number    integer NOT NULL,
    total_batches   integer NOT NULL,
    start_row       integer NOT NULL,
    end_row         integer NOT NULL,
    rows            integer NOT NULL,
    planned_inputs  integer NOT NULL,
    status          text NOT NULL DEFAULT 'pending'
                    CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    processed_rows  integer NOT NULL DEFAULT 0,
    vectors_created integer NOT NULL DEFAULT 0,
    embedded_inputs integer NOT NULL DEFAULT 0,
    tokens          bigint NOT NULL DEFAULT 0,
    errors          jsonb NOT NULL DEFAULT '[]',
    started_at      timestamptz,
    completed_at    timestamptz,
    PRIMARY KEY (document_id, version, batch_number),
    FOREIGN KEY (document_id, version) REFERENCES versions ON DELETE CASCADE
);

-- One record for every row of every version: where it stands, what became of it, which vector it points at.
CREATE TABLE lineage (
    document_id     text NOT NULL,
    version         integer NOT NULL,
    row_position    integer NOT NULL,
    sheet           text NOT NULL,
    row_number      integer NOT NULL,
    batch_number    integer NOT NULL,
    organization_id text NOT NULL,
    employee_id     text,
    namespace       text,
    outcome         text NOT NULL CHECK (outcome IN ('kept', 'unchanged', 'duplicate', 'error')),
    error           text,
    needs_embedding boolean NOT NULL,
    vector_id       uuid,
    content_hash    bytea,
    text_hash       bytea,
    row_key         bytea NOT NULL,
    content         text NOT NULL,
    source_row      json NOT NULL, -- not jsonb: the columns keep the order of the sheet
    run_id          text NOT NULL,
    PRIMARY KEY (document_id, version, row_position),
    FOREIGN KEY (document_id, version) REFERENCES versions ON DELETE CASCADE
);
CREATE INDEX lineage_of_vector ON lineage (vector_id);
CREATE INDEX lineage_of_batch ON lineage (document_id, version, batch_number);

-- Which employees' namespaces a document reached (the employee-document record of the notes).
CREATE TABLE document_namespaces (
    document_id  text NOT NULL,
    version      integer NOT NULL,
    namespace    text NOT NULL,
    employee_id  text,
    vector_ids   uuid[] NOT NULL,
    vector_count integer NOT NULL,
    PRIMARY KEY (document_id, version, namespace),
    FOREIGN KEY (document_id, version) REFERENCES versions ON DELETE CASCADE
);

-- Paid work, kept before anything else can fail. Addressed by what was embedded, with which model, for whom.
CREATE TABLE embeddings (
    organization_id text NOT NULL,
    model           text NOT NULL,
    text_hash       bytea NOT NULL,
    embedding       bytea NOT NULL,
    run_id          text NOT NULL,
    embedded_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, model, text_hash)
);
ALTER TABLE embeddings ALTER COLUMN embedding SET STORAGE MAIN; -- in the row while it fits: no second look-up
"""


def upgrade() -> None:
    op.execute(STATEMENTS)


def downgrade() -> None:
    op.execute(
        "DROP TABLE embeddings, document_namespaces, lineage, batches, versions, documents, employees, templates"
    )
