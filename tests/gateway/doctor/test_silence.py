"""Services that take a connection and never say a word: firewalls, overloaded proxies, the wrong port."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.doctor.checklist import checklist
from gateway.doctor.context import Context
from gateway.doctor.runner import examine
from settings.settings import Settings

KEY = "sk-proj-4Jx9QmVb7TzR2LkW8nYc"
ASKING = {"database", "embedding service", "vector store", "object store"}


@pytest.fixture
def silent_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_each_silent_service_is_one_line_and_none_holds_up_the_end(
    silent_port: int, clean_environment: Path, monkeypatch: pytest.MonkeyPatch
):
    """A client's own patience is longer than a person's: it is given up, its line says where to look."""
    silent = f"http://127.0.0.1:{silent_port}"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASTANDIN012345678")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "stand-in-secret-0123456789")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings = Settings(
        rowline_home=clean_environment / "home",
        database_url=f"postgresql://app@127.0.0.1:{silent_port}/rowline",
        embedding_provider="openai",
        openai_api_key=KEY,
        openai_base_url=f"{silent}/v1",
        vector_store="pinecone",
        pinecone_api_key="pcsk_7fYw3_KdPqL9vXbN2mRtZ8cHs",
        pinecone_index="rowline",
        pinecone_controller_host=silent,
        object_store="s3://rowline/objects",
        s3_endpoint_url=silent,
    )
    context = Context(settings)
    asking = [replace(check, seconds=0.3) for check in checklist(context) if check.name in {*ASKING, "embedding model"}]
    findings = {finding.name: finding.verdict for finding in examine(asking, context)}
    context.close(0.1)
    assert {findings[name].message for name in ASKING} == {"no answer within 0.3 s"}
    assert "DATABASE_URL" in str(findings["database"].remedy)
    assert "OPENAI_BASE_URL" in str(findings["embedding service"].remedy)
    assert "S3_ENDPOINT_URL" in str(findings["object store"].remedy)
