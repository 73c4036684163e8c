"""The inboxes: a file dropped into `inbox/<organization>/`, of a folder or a bucket, becomes an upload."""

import json
import time
from collections.abc import Callable, Sequence

import dagster as dg

from domain.documents.inbox_files import InboxFile, complete_files, is_about_the_file
from domain.errors import RowlineFailure
from resources.inbox.bucket import BucketInbox
from resources.inbox.folder import FolderInbox
from resources.inbox.protocol import Inbox

TICK_SECONDS = 30.0  # a tick may take 60 s; files that are left are taken by the next one


@dg.sensor(
    description="Files dropped into the inbox that have stopped growing.",
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def inbox_files(context: dg.SensorEvaluationContext, inbox: dg.ResourceParam[FolderInbox]) -> dg.SkipReason:
    """Files dropped into the inbox; each is taken once, when it has stopped growing."""
    seen = inbox.files()
    told = emptied(inbox, complete_files(seen, json.loads(context.cursor or "{}")), context.log.warning)
    context.update_cursor(json.dumps({file.path: file.signature for file in seen}))
    return told


@dg.sensor(
    description="Files dropped into the inbox of the bucket that OBJECT_STORE names.",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def bucket_files(
    context: dg.SensorEvaluationContext, bucket_inbox: dg.ResourceParam[BucketInbox | None]
) -> dg.SkipReason:
    """Files dropped into the bucket; each is taken once, as soon as it is seen: S3 shows whole objects only."""
    if bucket_inbox is None:
        return dg.SkipReason("OBJECT_STORE is no bucket")
    return emptied(bucket_inbox, bucket_inbox.files(), context.log.warning)


def emptied(
    inbox: Inbox,
    files: Sequence[InboxFile],
    warn: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> dg.SkipReason:
    """Take each file, or refuse it; what fails for another reason is left for the next tick, and holds up nobody."""
    ends = clock() + TICK_SECONDS
    taken, refused, left = 0, 0, 0
    for file in files:
        if clock() > ends:
            left += 1
            continue
        try:
            reason = settled(inbox, file)
        except RowlineFailure as error:
            left += 1
            warn(f"{file.path}: {error}")
        else:
            taken, refused = taken + (reason is None), refused + (reason is not None)
            if reason:
                warn(f"{file.path}: {reason}")
    return dg.SkipReason(f"{taken} files taken, {refused} refused, {left} left for later")


def settled(inbox: Inbox, file: InboxFile) -> str | None:
    """Take a file, or refuse it and say why. Raises what says nothing of the file."""
    try:
        inbox.take(file)
    except RowlineFailure as error:
        if not is_about_the_file(error):
            raise
        inbox.refuse(file, str(error))
        return str(error)
    return None
