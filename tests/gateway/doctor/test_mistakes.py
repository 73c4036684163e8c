"""Each mistake in the settings is named by one sentence, and nothing else is blamed for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from gateway.doctor.results import Verdict
from gateway.doctor.services import PROBE_NAMESPACE
from resources.database.grants import grant
from resources.objects.folder import MARKER_FILE
from tests.conftest import drop_database
from tests.conftest import named as database_named
from tests.gateway.doctor.conftest import Examined
from tests.stand_ins.faults import Fault
from tests.stand_ins.openai_server import OpenAIServer
from tests.stand_ins.pinecone_server import PineconeServer
from tests.stand_ins.postgres_proxy import PostgresProxy
from tests.stand_ins.s3_server import BUCKET, S3Server

WRONG = "wrong-HIDDEN-0123456789abcdef"


def named(verdicts: dict[str, Verdict], check: str, *words: str) -> None:
    """That one check fails, all words are in its line, and whatever else failed is the summary of the settings."""
    wrong = {name: verdict for name, verdict in verdicts.items() if verdict.state == "failed"}
    assert set(wrong) - {"settings"} == {check}, wrong
    told = f"{wrong[check].message} → {wrong[check].remedy}"
    for word in words:
        assert word in told
    assert "HIDDEN" not in str(verdicts)
    assert "defect" not in told


def test_a_sound_deployment_has_no_failure_and_no_warning_but_dagsters(examined: Examined):
    verdicts = examined()
    assert {name: verdict for name, verdict in verdicts.items() if verdict.state == "failed"} == {}
    assert {name for name, verdict in verdicts.items() if verdict.state == "warning"} == {"Dagster storage"}
    assert verdicts["embedding service"].message.endswith("1 input of 3 tokens was billed")
    assert verdicts["vector store"].message == "pgvector holds 32 numbers by cosine; a probe was written and removed"


@pytest.mark.parametrize(
    ("environment", "check", "words"),
    [
        ({"BATCH_ROWS": "abc-HIDDEN"}, "BATCH_ROWS", ["whole number"]),
        ({"DATABASE_URL": "mysql://app:HIDDEN@db/rowline"}, "DATABASE_URL", ["must start with postgresql://"]),
        ({"DATABASE_URL": "postgresql://app:HIDDEN/x@db/rowline"}, "DATABASE_URL", ["percent-encoded"]),
        ({"DATABASE_URL": "postgresql://app:x@HIDDEN@db/rowline"}, "DATABASE_URL", ["percent-encoded"]),
        ({"DATABASE_DIRECT_URL": "postgresql://app:HIDDEN/x@db/rowline"}, "DATABASE_DIRECT_URL", ["percent-encoded"]),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/rowline"}, "database", ["Nobody listens at 127.0.0.1:1"]),
        ({"DATABASE_URL": "postgresql://db.invalid/rowline"}, "database", ["db.invalid", "DATABASE_URL"]),
        ({"OPENAI_API_KEY": "your-api-key"}, "OPENAI_API_KEY", ["needs a real OPENAI_API_KEY"]),
        ({"OPENAI_API_KEY": WRONG}, "embedding service", ["OPENAI_API_KEY"]),
        ({"OPENAI_BASE_URL": "api.openai.com/v1"}, "embedding model", ["OPENAI_BASE_URL must begin with http"]),
        ({"EMBEDDING_MODEL": "text-embeding-3"}, "embedding service", ["text-embeding-3", "EMBEDDING_MODEL"]),
        ({"EMBEDDING_DIMENSIONS": "4096"}, "embedding model", ["EMBEDDING_DIMENSIONS is 4096", "1 to 1536"]),
        ({"ROWLINE_HOME": "/dev/null/rowline"}, "home", ["/dev/null/rowline cannot be written"]),
        ({"OBJECT_STORE": "/proc/objects"}, "object store", ["cannot be written in /proc/objects"]),
        ({"OBJECT_STORE": "/dev/null/x"}, "object store", ["cannot be written in /dev/null/x"]),
        ({"ENVIRONMENT": "prod"}, "ENVIRONMENT", ["'development', 'preview' or 'production'"]),
        ({"OBJECT_STORE": "gs://bucket/rowline"}, "OBJECT_STORE", ["must be a folder or s3://bucket/prefix"]),
        ({"OBJECT_STORE": "s3://a bucket"}, "object store", ["OBJECT_STORE must be a folder or"]),
        ({"PINECONE_INDEX": "your-index"}, "placeholders", ["PINECONE_INDEX still holds the text of an example"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_mistake_is_named(examined: Examined, environment: dict[str, str], check: str, words: list[str]):
    named(examined(**environment), check, *words)


@pytest.mark.parametrize(
    ("environment", "check"),
    [({"ENVIRONMENT": "prod"}, "environment"), ({"DATABASE_URL": "mysql://db/rowline"}, "choice of database")],
    ids=["environment", "database"],
)
def test_what_is_wrong_is_not_called_right_in_another_line(examined: Examined, environment: dict[str, str], check: str):
    """The default stands in for a wrong value, and would be told as if somebody had chosen it."""
    [name] = environment
    assert examined(**environment)[check].message == f"not looked at: {name} is wrong"


def test_a_misspelt_name_is_told_with_the_right_one(examined: Examined, clean_environment: Path):
    """Nothing else would: the setting silently stays at its default."""
    assert examined()["names"].state == "ok"
    (clean_environment / ".env").write_text("BATCHROWS=7\nNEXT_PUBLIC_URL=x\n", "utf-8")
    told = examined(PINECONE_CONTROLER_HOST="https://HIDDEN.example")["names"]
    assert (told.state, told.remedy) == ("warning", "Rename or unset it")
    assert told.message == (
        "nothing reads BATCHROWS (is BATCH_ROWS meant?), PINECONE_CONTROLER_HOST (is PINECONE_CONTROLLER_HOST meant?)"
    )


def test_an_old_name_of_a_setting_is_a_warning_and_two_values_an_error(examined: Examined):
    assert examined()["old names"].state == "ok"
    old = examined(RUNS_AT_ONCE="3")["old names"]
    assert (old.state, old.remedy) == ("warning", "Rename them")
    assert old.message.startswith("RUNS_AT_ONCE has a new name, MAX_CONCURRENT_RUNS;")
    both = examined(RUNS_AT_ONCE="3", MAX_CONCURRENT_RUNS="4")["MAX_CONCURRENT_RUNS"]
    assert (both.state, both.message.partition(",")[0]) == ("failed", "is also set as RUNS_AT_ONCE")


# -- the database -----------------------------------------------------------------------------------------------


def test_an_unknown_database_is_named(examined: Examined, server_url: str):
    verdicts = examined(DATABASE_URL=database_named(server_url, "nowhere"))
    named(verdicts, "database", "There is no database", "nowhere", "correct DATABASE_URL")
    assert verdicts["migrations"].message == verdicts["Dagster storage"].message == "not looked at: see database"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("wrong_key", ["refused the password", "DATABASE_URL"]),
        ("unavailable", ["is starting"]),
        ("quota_full", ["takes no more connections"]),
        ("garbage", ["DATABASE_URL"]),
    ],
)
def test_a_database_that_lets_nobody_in_is_one_failure(
    examined: Examined, database_url: str, fault: str, words: list[str]
):
    with PostgresProxy(database_url) as proxy:
        proxy.faults.append(Fault(fault, "connect", always=True))
        url = f"postgresql://app:password-HIDDEN-123@127.0.0.1:{proxy.port}{urlsplit(database_url).path}"
        named(examined(DATABASE_URL=url), "database", *words)


def test_a_direct_address_of_another_database_is_told(examined: Examined, server_url: str, database_url: str):
    """Migrations would go to one database, and the ledger's rows to another."""
    named(examined(DATABASE_DIRECT_URL=server_url), "direct database", "another database than that of DATABASE_URL")
    assert examined(DATABASE_DIRECT_URL=database_url)["direct database"].state == "ok"


def test_a_database_without_a_schema_waits_for_it(examined: Examined, empty_database_url: str):
    """Migrations apply themselves at the next start; a deployment to production is checked before that."""
    verdicts = examined(DATABASE_URL=empty_database_url)
    assert verdicts["migrations"].state == "warning"
    assert verdicts["migrations"].remedy == "Run `rowline db upgrade`"
    assert "0001" in verdicts["migrations"].message
    assert verdicts["database rights"].message == "not looked at: see migrations"
    assert examined(production=True, DATABASE_URL=empty_database_url)["migrations"].state == "failed"


def test_a_database_of_a_newer_rowline_is_told(examined: Examined, database_url: str):
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO rowline_migrations VALUES ('9999')")
    named(examined(), "migrations", "does not: 9999", "newer Rowline")


def test_a_role_that_lacks_a_right_is_told_which(
    examined: Examined, copy_database: Callable[[str], str], with_dagster: str, server_url: str
):
    """With Dagster's tables, whose rows are numbered by sequences."""
    database_url = copy_database(with_dagster)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE doctor_app LOGIN")
        try:
            grant(database_url, "doctor_app")
            url = urlsplit(database_url)._replace(netloc="doctor_app:@").geturl()
            sound = examined(production=True, DATABASE_URL=url)["database rights"]
            assert (sound.state, sound.message) == ("ok", "the role reads and writes the ledger, and cannot drop it")
            connection.execute("REVOKE DELETE ON lineage FROM doctor_app")
            connection.execute("REVOKE INSERT ON versions FROM doctor_app")
            connection.execute("REVOKE USAGE ON SEQUENCE event_logs_id_seq FROM doctor_app")
            lacking = "lacks USAGE on event_logs_id_seq, DELETE on lineage, INSERT on versions"
            named(examined(DATABASE_URL=url), "database rights", lacking)
        finally:
            connection.execute("DROP OWNED BY doctor_app; DROP ROLE doctor_app")
    drop_database(server_url, database_url)


def test_a_role_that_could_drop_the_ledger_is_told_in_production(examined: Examined):
    assert examined()["database rights"].state == "ok"
    told = examined(production=True)["database rights"]
    assert (told.state, told.message) == ("warning", "the role of DATABASE_URL can drop the ledger's tables")


# -- Pinecone ---------------------------------------------------------------------------------------------------


def test_pinecone_is_sound_without_pgvector(
    examined: Examined, with_pinecone: dict[str, str], pinecone: PineconeServer
):
    verdicts = examined(**with_pinecone)
    assert {name: verdict for name, verdict in verdicts.items() if verdict.state == "failed"} == {}
    assert verdicts["vector store"].message == "pinecone holds 32 numbers by cosine; a probe was written and removed"
    assert verdicts["pgvector"].state == "skipped"
    assert pinecone.index.held() == {}


@pytest.mark.parametrize(
    ("environment", "check", "words"),
    [
        ({"PINECONE_INDEX": None}, "PINECONE_INDEX", ["VECTOR_STORE=pinecone needs PINECONE_INDEX"]),
        ({"PINECONE_API_KEY": "<key>"}, "PINECONE_API_KEY", ["VECTOR_STORE=pinecone needs a real PINECONE_API_KEY"]),
        ({"PINECONE_INDEX": "My Index/../HIDDEN"}, "PINECONE_INDEX", ["lower-case letters, digits and hyphens"]),
        ({"PINECONE_INDEX": "nowhere"}, "vector store", ["no such index", "PINECONE_INDEX"]),
        ({"PINECONE_API_KEY": WRONG}, "vector store", ["does not accept PINECONE_API_KEY"]),
        ({"EMBEDDING_DIMENSIONS": "64"}, "vector store", ["holds vectors of 32 numbers", "gives 64"]),
        ({"PINECONE_CONTROLLER_HOST": "http://pinecone.invalid"}, "vector store", ["PINECONE_CONTROLLER_HOST", "http"]),
        ({"PINECONE_CONTROLLER_HOST": "http://127.0.0.1:1"}, "vector store", ["PINECONE_CONTROLLER_HOST"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_mistake_about_pinecone_is_named(
    examined: Examined,
    with_pinecone: dict[str, str],
    pinecone_pauses: list[float],
    environment: dict[str, str | None],
    check: str,
    words: list[str],
):
    named(examined(**with_pinecone | environment), check, *words)


@pytest.mark.parametrize("operation", ["fetch", "upsert", "delete", "delete_namespace"])
def test_a_right_that_a_pinecone_key_lacks_is_found_out(
    examined: Examined, with_pinecone: dict[str, str], pinecone: PineconeServer, operation: str
):
    """Whatever is refused, as much as may be removed is."""
    pinecone.faults.append(Fault("quota_full", operation, message="Forbidden: not for this key", always=True))
    named(examined(**with_pinecone), "vector store", "Forbidden: not for this key")
    assert pinecone.index.held() == {}


def test_a_probe_whose_upsert_has_no_answer_does_not_stay(
    examined: Examined, with_pinecone: dict[str, str], pinecone: PineconeServer, pinecone_pauses: list[float]
):
    pinecone.faults.append(Fault("garbage", "upsert", always=True))
    named(examined(**with_pinecone), "vector store", PROBE_NAMESPACE)
    assert pinecone.index.held() == {}


def test_an_index_of_another_metric_is_named(
    examined: Examined, with_pinecone: dict[str, str], pinecone: PineconeServer
):
    pinecone.vector_field["metric"] = "euclidean"
    named(examined(**with_pinecone), "vector store", "compares by euclidean", "cosine")


# -- objects ----------------------------------------------------------------------------------------------------


def test_a_bucket_is_written_read_and_left_as_it_was(examined: Examined, s3: S3Server):
    verdicts = examined(OBJECT_STORE=f"s3://{BUCKET}/rowline", S3_ENDPOINT_URL=s3.endpoint_url)
    assert verdicts["object store"].message == "a probe object was put, read back, compared and deleted"
    assert verdicts["bucket"].state == "ok"
    assert {"put", "get", "delete", "list", "copy", "abort"} <= set(s3.stats.operations)
    assert (s3.stored(), s3.unfinished()) == ([], [])


@pytest.mark.parametrize("operation", ["list", "copy", "create_upload", "uploads", "abort"])
def test_a_right_that_the_inbox_or_a_large_file_lacks_is_found_out(examined: Examined, s3: S3Server, operation: str):
    """Small files can be put and got with half of the rights that a deployment needs."""
    s3.faults.append(Fault("access_denied", operation, always=True))
    verdicts = examined(OBJECT_STORE=f"s3://{BUCKET}/rowline", S3_ENDPOINT_URL=s3.endpoint_url)
    named(verdicts, "bucket", "the credentials do not allow it", "docs/objects.md")
    assert verdicts["object store"].state == "ok"
    assert s3.stored() == []


@pytest.mark.parametrize(
    ("fault", "words"), [("careless", "ignores If-Match on a delete"), ("not_implemented", "knows no If-Match")]
)
def test_a_service_that_would_delete_the_wrong_drop_is_told(examined: Examined, s3: S3Server, fault: str, words: str):
    """Between copy and delete of what was taken, another program may drop a new object over it."""
    s3.faults.extend([Fault("none", "delete"), Fault(fault, "delete")])  # the first delete is that of another probe
    told = examined(OBJECT_STORE=f"s3://{BUCKET}/rowline", S3_ENDPOINT_URL=s3.endpoint_url)["bucket"]
    assert (told.state, words in told.message) == ("warning", True)
    assert s3.stored() == []


@pytest.mark.parametrize("operation", ["put", "copy"])
def test_an_answer_about_the_inbox_that_is_lost_leaves_nothing(examined: Examined, s3: S3Server, operation: str):
    sound = [Fault("none", operation)] * (operation != "copy")  # the other probe's
    s3.faults.extend([*sound, *[Fault("reset_after", operation)] * 4])
    named(examined(OBJECT_STORE=f"s3://{BUCKET}/rowline", S3_ENDPOINT_URL=s3.endpoint_url), "bucket", "probe")
    assert (s3.stored(), s3.unfinished()) == ([], [])


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"OBJECT_STORE": "s3://rowline-nowhere/rowline"}, ["there is no such bucket", "OBJECT_STORE"]),
        ({"S3_ENDPOINT_URL": "http://127.0.0.1:1"}, ["could not be reached", "S3_ENDPOINT_URL"]),
        ({"S3_ENDPOINT_URL": "minio:9000"}, ["S3_ENDPOINT_URL must be an address like https://host:9000"]),
        ({"AWS_SECRET_ACCESS_KEY": WRONG}, ["the secret key does not fit", "AWS_SECRET_ACCESS_KEY"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_mistake_about_s3_is_named(examined: Examined, s3: S3Server, environment: dict[str, str], words: list[str]):
    bucket = {"OBJECT_STORE": f"s3://{BUCKET}/rowline", "S3_ENDPOINT_URL": s3.endpoint_url}
    named(examined(**bucket | environment), "object store", *words)
    assert s3.stored() == []


def test_a_probe_whose_answer_is_lost_does_not_stay(examined: Examined, s3: S3Server):
    s3.faults.extend([Fault("reset_after", "put")] * 4)
    named(examined(OBJECT_STORE=f"s3://{BUCKET}", S3_ENDPOINT_URL=s3.endpoint_url), "object store", "rowline-doctor-")
    assert s3.stored() == []


def test_a_probe_in_a_folder_does_not_stay(examined: Examined, tmp_path: Path):
    assert examined(OBJECT_STORE=str(tmp_path / "objects"))["object store"].state == "ok"
    assert [path.name for path in (tmp_path / "objects").rglob("*")] == [MARKER_FILE]


# -- the embedder -----------------------------------------------------------------------------------------------


def test_an_account_without_credit_is_named(examined: Examined, openai: OpenAIServer):
    openai.faults.append(Fault("quota_full"))
    named(examined(), "embedding service", "no quota left", "add credit")


def test_one_input_is_billed_and_no_more(examined: Examined, openai: OpenAIServer):
    examined()
    assert (openai.stats.requests, openai.stats.inputs) == (1, 1)
