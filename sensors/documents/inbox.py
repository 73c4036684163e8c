"""The inbox folder: a complete file in `ROWLINE_HOME/inbox/<organization>/` becomes an upload."""

import json

import dagster as dg

from pipelines.documents.arrivals import complete_files
from pipelines.failures import PermanentFailure, TransientFailure
from resources.inbox import Inbox


@dg.sensor(
    description="Files dropped into the inbox that have stopped growing.",
    minimum_interval_seconds=2,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def inbox_files(context: dg.SensorEvaluationContext, inbox: dg.ResourceParam[Inbox]) -> dg.SkipReason:
    """Files dropped into the inbox; each is taken once, when it has stopped growing."""
    seen = inbox.files()
    taken, refused, left = [], [], []
    for file in complete_files(seen, json.loads(context.cursor or "{}")):
        try:
            taken.append(inbox.take(file))
        except TransientFailure as error:
            left.append(f"{file.path}: {error}")  # it says nothing about the file; the next tick tries again
        except PermanentFailure as error:
            inbox.refuse(file, str(error))
            refused.append(f"{file.path}: {error}")
    context.update_cursor(json.dumps({file.path: file.signature for file in seen}))
    for reason in refused + left:
        context.log.warning(reason)
    return dg.SkipReason(f"{len(taken)} files taken, {len(refused)} refused, {len(left)} left for later")
