"""Keys of organizations and the sessions of browsers, each kept as a digest."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE keys (
    key_id          text PRIMARY KEY,
    organization_id text NOT NULL,
    label           text NOT NULL,
    roles           text[] NOT NULL,
    employee_id     text,
    digest          bytea NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz,
    revoked_at      timestamptz,
    replaced_by     text,
    last_used_at    timestamptz
);
CREATE INDEX keys_of_organization ON keys (organization_id);

CREATE TABLE sessions (
    digest     bytea PRIMARY KEY,
    key_id     text NOT NULL REFERENCES keys ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
"""


def upgrade() -> None:
    op.execute(STATEMENTS)


def downgrade() -> None:
    op.execute("DROP TABLE sessions, keys")
