"""The `rowline` command as a test calls it: in this process, its exit code and both its streams."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout; fails where anything else is there."""
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """What stderr says; fails where it is more than one line, or looks like a traceback."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("✗ "), self.err
        assert "Traceback" not in self.err
        return lines[0].removeprefix("✗ ")


@dataclass(frozen=True)
class Command:
    """`rowline` with an environment of its own."""

    environment: Mapping[str, str]
    folder: Path
    capsys: pytest.CaptureFixture[str] = field(repr=False)

    def __call__(self, *arguments: str | Path, **environment: str) -> Said:
        from gateway.cli.main import main

        self.capsys.readouterr()
        with (
            mock.patch.object(sys, "argv", ["rowline", *map(str, arguments)]),
            mock.patch.dict(os.environ, {**self.environment, **environment}),
        ):
            try:
                main()
                code = 0
            except SystemExit as ended:
                code = 0 if ended.code is None else int(ended.code)
        told = self.capsys.readouterr()
        return Said(code, told.out, told.err)

    def json(self, *arguments: str | Path, code: int = 0, **environment: str) -> Any:
        """The JSON of a command that must end with this code."""
        said = self(*arguments, "--json", **environment)
        assert said.code == code, said.err
        return said.json

    def file(self, name: str, body: bytes | str) -> Path:
        path = self.folder / name
        path.write_bytes(body.encode() if isinstance(body, str) else body)
        return path

    def indexed(self, file: Path, *arguments: str, org: str = "acme") -> str:
        """Upload and process; the document's id."""
        document = str(self.json("upload", file, "--org", org, *arguments)["documents"][0]["documentId"])
        self.json("process", document)
        return document
