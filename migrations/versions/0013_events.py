"""Events: one spelling of each document that they are about, and when their jobs were taken."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = """
-- when the orchestrator took the job
ALTER TABLE event_runs ADD COLUMN requested_at timestamptz;
UPDATE event_runs SET requested_at = now() WHERE state = 'requested';

-- What named a document by our id is from now on about what its app calls it, as all events of that app are; which
-- document it meant stays with it.
UPDATE event_runs r SET document_id = d.document_id, subject = d.external_id
  FROM documents d
 WHERE d.organization_id = r.organization_id AND d.document_id = r.subject AND d.external_id IS NOT NULL
   AND d.removed_at IS NULL AND r.state IN ('waiting', 'requesting', 'requested');
"""


def upgrade() -> None:
    op.execute(STATEMENTS)


def downgrade() -> None:
    op.execute("ALTER TABLE event_runs DROP COLUMN requested_at")
