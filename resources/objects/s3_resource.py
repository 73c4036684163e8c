"""dagster-aws's S3 resource, whose client is made as the object store's is. Only imported if a bucket is used.

`import dagster_aws` loads the clients of every AWS service it knows (ADR 0020).
"""

from typing import Any

from dagster_aws.s3 import S3Resource
from pydantic import Field

from resources.objects.s3_client import LIMITS, Limits, make_client


class BucketResource(S3Resource):
    """An `S3Resource` for a user's own assets too, which ask for it as `s3: S3Resource`.

    S3Resource has no field for timeouts, the size of the pool, addressing by path and checksums, and sends one request
    more than its `max_attempts` says. All of its own fields keep their meaning.
    """

    max_attempts: int = Field(default=LIMITS.attempts, description="How often a request is sent at most.")
    connect_timeout_seconds: float = Field(
        default=LIMITS.connect_seconds, description="Seconds to wait for a connection."
    )
    read_timeout_seconds: float = Field(default=LIMITS.read_seconds, description="Seconds to wait for an answer.")

    def get_client(self) -> Any:
        return make_client(
            self.endpoint_url,
            Limits(self.connect_timeout_seconds, self.read_timeout_seconds, self.max_attempts),
            profile_name=self.profile_name,
            unsigned=self.use_unsigned_session,
            region_name=self.region_name,
            use_ssl=self.use_ssl,
            verify=self.verify,
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
            aws_session_token=self.aws_session_token,
        )
