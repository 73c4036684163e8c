"""A bucket as the settings name it: its address, its client, and checks of its responses."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast
from urllib.parse import quote, urlsplit

from domain.errors import ConfigurationError, PermanentError
from resources.objects.s3_client import LIMITS, Limits, make_client
from resources.objects.s3_errors import translate_errors, unexpected_response


@dataclass(frozen=True)
class Bucket:
    """The part of a bucket that is ours: everything under `prefix` (empty, or ending in `/`)."""

    name: str
    prefix: str
    endpoint_url: str | None
    limits: Limits
    get_client: Callable[[], Any] | None = None

    @classmethod
    def parse(
        cls,
        address: str,
        endpoint_url: str | None,
        limits: Limits = LIMITS,
        get_client: Callable[[], Any] | None = None,
    ) -> "Bucket":
        """The bucket of `s3://bucket/prefix`. Raises ConfigurationError, without the value: it may hold a key."""
        match = re.fullmatch(r"s3://([A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9])((?:/[^/?#@]+)*)/?", address)
        if not match or {".", ".."} & set(match[2].split("/")):
            raise ConfigurationError(
                "OBJECT_STORE must be a folder or `s3://bucket/prefix`, without keys or options in it"
            )
        if endpoint_url is not None:
            check_endpoint(endpoint_url)
        return cls(match[1], f"{match[2][1:]}/" if match[2] else "", endpoint_url, limits, get_client)

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    @cached_property
    def client(self) -> Any:
        """boto3's client, made when first used: by `get_client`, which Dagster's S3 resource passes in, or by us."""
        with translate_errors(f"{self} cannot be opened"):
            return self.get_client() if self.get_client else make_client(self.endpoint_url, self.limits)

    def object_params(self, key: str) -> dict[str, str]:
        """Bucket and key of an object, as parameters of a call. Raises PermanentError if it is not ours."""
        if {"", ".", ".."} & set(key.split("/")):
            raise PermanentError(f"Object key {key!r} leads out of the object store")
        return self.under(key)

    def under(self, key: str) -> dict[str, str]:
        """The same for a key that others chose: S3 knows no folders, so none leads out."""
        return {"Bucket": self.name, "Key": self.prefix + key}

    def translate_errors(self, tried: str) -> AbstractContextManager[None]:
        return translate_errors(f"{tried} {self}")

    def list_objects(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Key (without our prefix), Size, ETag and LastModified of each object, page by page.

        Raises if a page cannot be read: that is not the end of the list.
        """
        tried = "Objects cannot be listed in"
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self.prefix + prefix)
        with self.translate_errors(tried):
            for page in pages:
                if "IsTruncated" not in page:  # any XML would parse as an empty list
                    raise unexpected_response(f"{tried} {self}")
                for item in page.get("Contents", []):
                    if not item["Key"].endswith("/"):  # a "folder" that a console made
                        yield {**item, "Key": item["Key"].removeprefix(self.prefix)}

    def link(self, key: str) -> str:
        """The unsigned URL at which a person with rights of their own finds the object."""
        path = quote(self.prefix + key)
        if self.endpoint_url:
            return f"{self.endpoint_url.rstrip('/')}/{self.name}/{path}"
        return f"https://s3.console.aws.amazon.com/s3/object/{self.name}?prefix={path}"


@dataclass(frozen=True, slots=True)
class BucketStream:
    """The body of a response; a failure while it is read is raised as one of our errors."""

    bucket: Bucket
    tried: str
    body: Any

    def read(self, size: int = -1) -> bytes:
        with self.bucket.translate_errors(self.tried):
            return cast(bytes, self.body.read(size))


def check_endpoint(url: str) -> None:
    """Raises ConfigurationError, without the value, if S3_ENDPOINT_URL is no plain http(s) URL."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        plain = not (parts.username or parts.password or parts.query or parts.fragment)
    except ValueError:
        fits = plain = False
    if not (fits and plain):
        raise ConfigurationError(
            "S3_ENDPOINT_URL must be an address like https://host:9000, without keys or options in it"
        )
