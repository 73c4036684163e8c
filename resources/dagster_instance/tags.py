"""Tags that Dagster writes to runs and events, by its own constants: it publishes the tags, not the names."""

from dagster._core.definitions.data_version import CODE_VERSION_TAG
from dagster._core.storage.tags import (
    GRPC_INFO_TAG,
    PARTITION_NAME_TAG,
    RETRY_NUMBER_TAG,
    RUN_KEY_TAG,
    WILL_RETRY_TAG,
)

__all__ = [
    "CODE_VERSION_TAG",
    "GRPC_INFO_TAG",
    "PARTITION_NAME_TAG",
    "RETRY_NUMBER_TAG",
    "RUN_KEY_TAG",
    "WILL_RETRY_TAG",
]
