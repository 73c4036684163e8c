"""Resources as Dagster is given them: opened when a step first asks, shared by the steps of a process."""

from functools import cache
from typing import TYPE_CHECKING, Any

import dagster as dg

from operations.services import Services
from resources.dagster_instance.run_processes import PROCESS_TAG, Process
from settings.settings import load_settings

if TYPE_CHECKING:
    from resources.objects.s3_resource import BucketResource

NAMES = (
    "settings",
    "ledger",
    "objects",
    "vectors",
    "embedder",
    "inbox",
    "bucket_inbox",
    "uploads",
    "event_files",
    "channels",
    "document_stores",
)


@cache
def services() -> Services:
    """The process's one set of services; its pools are shared by all steps and sensors."""
    return Services(load_settings(), lambda: s3_resource().get_client())


@cache
def s3_resource() -> "BucketResource":
    """dagster-aws's S3 resource at the endpoint of the settings: the object store of a run has its client from here."""
    from resources.objects.s3_resource import BucketResource

    return BucketResource(endpoint_url=load_settings().s3_endpoint_url)


def _resource(name: str) -> dg.ResourceDefinition:
    def open_resource(context: dg.InitResourceContext) -> Any:
        # every run uses one of these; a sensor has no run
        if name in ("ledger", "document_stores") and context.run and context.instance:
            context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: Process.current(context.run.run_id).tag})
        return getattr(services(), name)

    return dg.ResourceDefinition(open_resource, description=f"The {name} that the settings choose.")


RESOURCES = {
    **{name: _resource(name) for name in NAMES},
    "s3": dg.ResourceDefinition(lambda _: s3_resource(), description="dagster-aws's S3 resource, for assets of yours."),
}
