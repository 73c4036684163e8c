"""The inbox folder: a complete file in `ROWLINE_HOME/inbox/<organization>/` becomes an upload."""

import json

import dagster as dg

from pipelines.documents.arrivals import complete_files
from pipelines.failures import PermanentFailure
from resources.inbox import Inbox


@dg.sensor(
    description="Files dropped into the inbox that have stopped growing.",
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def inbox_files(context: dg.SensorEvaluationContext, inbox: dg.ResourceParam[Inbox]) -> dg.SkipReason:
    """Files dropped into the inbox; each is taken once, when it has stopped growing."""
    seen = inbox.files()
    taken, refused = [], []
    for file in complete_files(seen, json.loads(context.cursor or "{}")):
        try:
            taken.append(inbox.take(file))
        except PermanentFailure as error:  # a transient one ends the tick; the file is there at the next
            inbox.refuse(file, str(error))
            refused.append(f"{file.path}: {error}")
    context.update_cursor(json.dumps({file.path: file.signature for file in seen}))
    for reason in refused:
        context.log.warning(reason)
    return dg.SkipReason(f"{len(taken)} files taken, {len(refused)} refused, {len(seen)} in the inbox")
