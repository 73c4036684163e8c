"""Paths of files that events name: whose they are, and where they lie."""

from __future__ import annotations

from typing import NamedTuple

from domain.errors import InvalidRequest

OURS = ("uploads", "documents", "inbox")  # what Rowline itself keeps in the object storage


class InStore(NamedTuple):
    """A key of the object storage; `whole`: of the bucket, and not under our prefix in it."""

    key: str
    whole: bool = False


def folder_of_each(setting: str) -> str:
    """EVENT_FILES_PREFIX as it is used: with a slash at its end.

    Raises InvalidRequest if two organizations could share a folder. The organization is a whole part of the path: else
    the folder of `acme` would be the beginning of that of `acme2`.
    """
    parts = setting.removesuffix("/").split("/")
    if "{organization}" not in parts or any(part != "{organization}" and "{organization}" in part for part in parts):
        raise InvalidRequest(
            "must have {organization} between slashes, as in apps/{organization}/, so that no two share a folder"
        )
    if {"", ".", ".."} & set(parts) or "\\" in setting:
        raise InvalidRequest("must be a folder of the object storage: no part of it may be empty, `.` or `..`")
    return "/".join(parts) + "/"


def in_store(file_path: str, organization_id: str, folder: str, bucket: tuple[str, str] | None = None) -> InStore:
    """Where the file of an event lies. `bucket`: name and prefix of ours, if objects are in one.

    Raises InvalidRequest for a path that leads anywhere else than to the organization's own folder: nobody's event has
    a file of another organization read.
    """
    path, whole = file_path, False
    if file_path.startswith("s3://"):
        name, _, path = file_path.removeprefix("s3://").partition("/")
        if bucket is None or name != bucket[0]:
            raise InvalidRequest(f"{file_path} is not in the bucket of OBJECT_STORE; events name files that lie there")
        prefix = bucket[1]
        whole = not path.startswith(prefix)
        path = path if whole else path.removeprefix(prefix)
    parts = path.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in path:
        raise InvalidRequest(f"{file_path} is no path of a file: no part of it may be empty, `.` or `..`")
    theirs = folder.replace("{organization}", organization_id).removesuffix("/") + "/"
    if not path.startswith(theirs) or (not whole and parts[0] in OURS):
        raise InvalidRequest(
            f"{file_path} does not lie under {theirs}, where EVENT_FILES_PREFIX has the files of {organization_id}"
        )
    return InStore(path, whole)
