"""How a client of S3 is made: one function for the object store and for dagster-aws's resource."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Limits:
    """How long we wait (seconds), how often a request is sent at most, and how large a part is (bytes)."""

    connect_seconds: float = 5.0
    read_seconds: float = 30.0
    attempts: int = 4
    part_bytes: int = 8 * 2**20
    parts_in_flight: int = 4


LIMITS = Limits()


def make_client(
    endpoint_url: str | None,
    limits: Limits = LIMITS,
    *,
    profile_name: str | None = None,
    unsigned: bool = False,
    **client_options: Any,
) -> Any:
    """A boto3 client; keys and region as boto3 finds them, unless `client_options` name them.

    Raises what boto3 raises.
    """
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(
        connect_timeout=limits.connect_seconds,
        read_timeout=limits.read_seconds,
        # `max_attempts` would be the number of retries: one request more
        retries={"mode": "standard", "total_max_attempts": limits.attempts},
        max_pool_connections=16,
        s3={"addressing_style": "path"} if endpoint_url else {},
        # we send SHA-256 of our own; a checksum in a trailer is what other servers do not understand
        request_checksum_calculation="when_required",
        response_checksum_validation="when_supported",
        **({"signature_version": UNSIGNED} if unsigned else {}),
    )
    session = boto3.session.Session(profile_name=profile_name)
    return session.client("s3", endpoint_url=endpoint_url, config=config, **client_options)
