"""The inboxes: a file dropped into `inbox/<organization>/`, of a folder or a bucket, becomes an upload."""

import json

import dagster as dg

from domain.documents.inbox_files import complete_files
from operations.documents.inbox import InboxCounts, empty_inbox
from operations.documents.uploads import Uploads
from resources.inbox.bucket import BucketInbox
from resources.inbox.folder import FolderInbox

TICK_SECONDS = 30.0  # a tick may take 60 s; files that are left are uploaded by the next one


@dg.sensor(
    description="Files dropped into the inbox that have stopped growing.",
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def inbox_files(
    context: dg.SensorEvaluationContext, inbox: dg.ResourceParam[FolderInbox], uploads: dg.ResourceParam[Uploads]
) -> dg.SkipReason:
    """Files dropped into the inbox; each is uploaded once, when it has stopped growing."""
    seen = inbox.files()
    complete = complete_files(seen, json.loads(context.cursor or "{}"))
    counts = empty_inbox(inbox, uploads, complete, context.log.warning, TICK_SECONDS)
    context.update_cursor(json.dumps({file.path: file.signature for file in seen}))
    return describe(counts)


@dg.sensor(
    description="Files dropped into the inbox of the bucket that OBJECT_STORE names.",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def bucket_files(
    context: dg.SensorEvaluationContext,
    bucket_inbox: dg.ResourceParam[BucketInbox | None],
    uploads: dg.ResourceParam[Uploads],
) -> dg.SkipReason:
    """Files dropped into the bucket; each is uploaded once, as soon as it is seen: S3 shows whole objects only."""
    if bucket_inbox is None:
        return dg.SkipReason("OBJECT_STORE is no bucket")
    files = bucket_inbox.files()
    return describe(empty_inbox(bucket_inbox, uploads, files, context.log.warning, TICK_SECONDS))


def describe(counts: InboxCounts) -> dg.SkipReason:
    return dg.SkipReason(f"{counts.uploaded} files taken, {counts.refused} refused, {counts.left} left for later")
