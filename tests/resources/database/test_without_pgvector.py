"""Beside VECTOR_STORE=pinecone the database needs no extension, and nobody who may create one."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import psycopg
import pytest

from domain.errors import ConfigurationError
from operations.services import Services
from resources.database.schema import schema_is_current, upgrade
from settings.settings import Settings
from tests.laws.deployment import Deployment, items
from tests.laws.doubles import WordEmbedder
from tests.stand_ins import pinecone_server


@pytest.fixture
def plain_url(empty_database_url: str) -> str:
    """A database whose owner may make tables in it, and no extension."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'plain_owner') THEN "
            "CREATE ROLE plain_owner LOGIN; END IF; END $$"
        )
        connection.execute("GRANT CREATE, USAGE ON SCHEMA public TO plain_owner")
    url = empty_database_url.replace("postgresql://postgres:@", "postgresql://plain_owner@")
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE EXTENSION vector")
    return url


def test_the_whole_graph_runs_without_the_extension(
    plain_url: str, clean_environment: Path, dagster_instance: dg.DagsterInstance
):
    with pinecone_server.PineconeServer(dimension=WordEmbedder().model.dimension) as server:
        settings = Settings(
            database_url=plain_url,
            rowline_home=clean_environment / "home",
            vector_store="pinecone",
            pinecone_api_key=pinecone_server.KEY,
            pinecone_index=pinecone_server.NAME,
            pinecone_controller_host=server.address,
        )
        services = Services(settings)
        services.__dict__["embedder"] = WordEmbedder()
        rowline = Deployment(services, dagster_instance)
        first = rowline.upload(items("anvil", "bellows", "crane"))
        assert rowline.quick(first.document_id).status == "completed"
        rowline.upload(items("anvil", "dolly"), first.document_id)
        assert rowline.quick(first.document_id).status == "completed"
        server.index.settle()
        assert len(rowline.promised()) == len(server.index.held()) == 2
        assert rowline.sql("SELECT 1 FROM pg_extension WHERE extname = 'vector'") == []
        assert rowline.sql("SELECT to_regclass('vectors') AS made") == [{"made": None}]
        services.close()


def test_with_pgvector_the_same_database_says_what_to_do(plain_url: str):
    with pytest.raises(ConfigurationError, match="run CREATE EXTENSION vector there once as a superuser"):
        upgrade(plain_url)
    assert not schema_is_current(plain_url, ("ledger",))  # all or nothing
