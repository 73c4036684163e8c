"""A bucket as the settings name it: its address, its client, and the answers that are believed."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
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
    def at(
        cls,
        address: str,
        endpoint_url: str | None,
        limits: Limits = LIMITS,
        get_client: Callable[[], Any] | None = None,
    ) -> "Bucket":
        """The bucket of `s3://bucket/prefix`. Raises ConfigurationError, without the value: it may hold a key."""
        found = re.fullmatch(r"s3://([A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9])((?:/[^/?#@]+)*)/?", address)
        if not found or {".", ".."} & set(found[2].split("/")):
            raise ConfigurationError(
                "OBJECT_STORE must be a folder or `s3://bucket/prefix`, without keys or options in it"
            )
        if endpoint_url is not None:
            check_endpoint(endpoint_url)
        return cls(found[1], f"{found[2][1:]}/" if found[2] else "", endpoint_url, limits, get_client)

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    @cached_property
    def client(self) -> Any:
        """boto3's client, made when first used: by `get_client`, which Dagster's S3 resource passes in, or by us."""
        with translate_errors(f"{self} cannot be opened"):
            return self.get_client() if self.get_client else make_client(self.endpoint_url, self.limits)

    def at_key(self, key: str) -> dict[str, str]:
        """Bucket and key of an object, as every call wants them. Raises PermanentError where it is not ours."""
        if {"", ".", ".."} & set(key.split("/")):
            raise PermanentError(f"Object key {key!r} leads out of the object store")
        return self.under(key)

    def under(self, key: str) -> dict[str, str]:
        """The same for a key that others chose: S3 knows no folders, so none leads out."""
        return {"Bucket": self.name, "Key": self.prefix + key}

    def translate_errors(self, tried: str) -> AbstractContextManager[None]:
        return translate_errors(f"{tried} {self}")

    def listed(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Key (without our prefix), Size, ETag and LastModified of each object, page by page.

        Raises what `explained` makes of a page that cannot be read: that is not the end of the list (law 8).
        """
        tried = "Objects cannot be listed in"
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self.prefix + prefix)
        with self.translate_errors(tried):
            for page in pages:
                if "IsTruncated" not in page:  # any XML at all would read as a list of nothing
                    raise unexpected_response(f"{tried} {self}")
                for found in page.get("Contents", []):
                    if not found["Key"].endswith("/"):  # a "folder" that a console made
                        yield {**found, "Key": found["Key"].removeprefix(self.prefix)}

    def link(self, key: str) -> str:
        """Where a person with rights of their own finds the object; nothing in it is signed."""
        whole = quote(self.prefix + key)
        if self.endpoint_url:
            return f"{self.endpoint_url.rstrip('/')}/{self.name}/{whole}"
        return f"https://s3.console.aws.amazon.com/s3/object/{self.name}?prefix={whole}"


def check_endpoint(url: str) -> None:
    """Raises ConfigurationError where S3_ENDPOINT_URL is no plain http(s) address; without its value."""
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
