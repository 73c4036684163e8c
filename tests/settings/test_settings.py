"""Settings: what is told of a wrong one (never its value), the defaults, `.env`, and where a deployment's data is."""

import ast
import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from domain.errors import ConfigurationError
from settings.renamed import RENAMED
from settings.settings import PROJECT_ROOT, Settings, load_settings, load_valid_settings, misspelt

SECRET = "sk-live-7f3a9c-never-shown"
PASSWORD = "postgresql://rowline:hunter2-never-shown@db/rowline"


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the caller, neither from the environment nor from a `.env` of the project or the folder."""
    for name in [*Settings.model_fields, *RENAMED]:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(Settings.model_config, "env_file", (tmp_path / "project.env", ".env"))
    monkeypatch.chdir(tmp_path)


def refusal(monkeypatch: pytest.MonkeyPatch, **values: str) -> str:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as told:
        load_settings()
    assert told.value.__cause__ is None, "the cause would show the values in a traceback"
    assert told.value.__suppress_context__
    return str(told.value)


# -- defaults ---------------------------------------------------------------------------------------------------


def test_nothing_has_to_be_set() -> None:
    """The embedded default needs no key, no server and no file."""
    settings = load_settings()
    assert settings.rowline_home == PROJECT_ROOT / ".rowline"
    assert settings.database_url is None
    assert (settings.embedding_provider, settings.vector_store) == ("local", "pgvector")
    assert (settings.batch_rows, settings.batches_in_flight, settings.embed_request_inputs) == (100, 5, 256)
    assert settings.objects_folder == PROJECT_ROOT / ".rowline" / "objects"
    assert settings.inbox == PROJECT_ROOT / ".rowline" / "inbox"


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files and CI pass `DATABASE_URL=` on."""
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("BATCH_ROWS", "")
    assert load_settings().database_url is None
    assert load_settings().batch_rows == 100


def test_every_setting_says_what_it_is_for() -> None:
    undescribed = [name for name, field in Settings.model_fields.items() if not (field.description or "").endswith(".")]
    assert undescribed == []


def test_every_setting_is_used_by_somebody() -> None:
    """A knob that turns nothing is worse than none."""
    floors = ("domain", "formats", "settings", "resources", "operations", "assets", "sensors", "pipelines", "gateway")
    used = {
        node.attr
        for floor in floors
        for path in (PROJECT_ROOT / floor).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    }
    assert [name for name in Settings.model_fields if name not in used] == []


# -- .env -------------------------------------------------------------------------------------------------------


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# 설정\nBATCH_ROWS=7\nOBJECT_STORE='파일'\n", "utf-8")
    settings = load_settings()
    assert settings.batch_rows == 7
    assert settings.objects_folder == tmp_path / "파일"


def test_the_environment_is_stronger_than_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("BATCH_ROWS=7\nBATCHES_IN_FLIGHT=3\n", "utf-8")
    monkeypatch.setenv("BATCH_ROWS", "8")
    assert (load_settings().batch_rows, load_settings().batches_in_flight) == (8, 3)


def test_the_folders_file_is_stronger_than_the_projects(tmp_path: Path) -> None:
    (tmp_path / "project.env").write_text("BATCH_ROWS=6\nBATCHES_IN_FLIGHT=3\n", "utf-8")
    (tmp_path / ".env").write_text("BATCH_ROWS=7\n", "utf-8")
    assert (load_settings().batch_rows, load_settings().batches_in_flight) == (7, 3)


def test_the_projects_own_dotenv_is_read_from_every_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """`rowline status` means the same deployment wherever it is typed."""
    monkeypatch.undo()
    files = Settings.model_config.get("env_file")
    assert isinstance(files, tuple)
    assert PROJECT_ROOT / ".env" in files


def test_lines_of_other_programs_in_the_file_harm_nobody(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("NEXT_PUBLIC_URL=x\nBATCH_ROWS=7\n", "utf-8")
    assert load_settings().batch_rows == 7


def test_a_dotenv_file_in_another_encoding_is_told_in_a_sentence(tmp_path: Path) -> None:
    """Korean Windows saves text as cp949; a traceback would not say so (law 7)."""
    (tmp_path / ".env").write_bytes("# 설정\nBATCH_ROWS=7\n".encode("cp949"))
    with pytest.raises(ConfigurationError, match=r"\.env.*UTF-8"):
        load_settings()


# -- wrong settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMBEDDING_PROVIDER", "nobody-x"),
        ("VECTOR_STORE", "elsewhere-x"),
        ("BATCH_ROWS", "none-x"),
        ("BATCH_ROWS", "0"),
        ("BATCH_ROWS", "10001"),
        ("BATCHES_IN_FLIGHT", "65"),
        ("EMBED_REQUEST_INPUTS", "2049"),
        ("EMBEDDING_DIMENSIONS", "-987654"),
        ("DAGSTER_PORT", "65536"),
        ("MAX_UPLOAD_BYTES", "200MB-x"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values end up in the wrong variable: a key pasted into BATCH_ROWS must not be shown (law 10)."""
    told = refusal(monkeypatch, **{name: value})
    assert re.match(rf"Settings are wrong: {name}: \w", told)
    assert value not in told or value == "0"


@pytest.mark.parametrize("name", ["BATCH_ROWS", "EMBEDDING_PROVIDER", "DAGSTER_PORT"])
def test_a_secret_in_the_wrong_variable_is_not_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SECRET not in refusal(monkeypatch, **{name: SECRET})


def test_all_wrong_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refusal(monkeypatch, BATCH_ROWS="x", DAGSTER_PORT="y", OPENAI_API_KEY=SECRET, DATABASE_URL=PASSWORD)
    assert re.fullmatch(r"Settings are wrong: BATCH_ROWS: [^;]+; DAGSTER_PORT: [^;]+", told)
    assert "never-shown" not in told


def test_a_home_of_an_unknown_user_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ROWLINE_HOME" in refusal(monkeypatch, ROWLINE_HOME="~no-such-user-here/rowline")


def test_secrets_are_not_shown_by_printing_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings end up in logs, in tracebacks with locals, in the answer of a debug page (law 10)."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("DATABASE_URL", PASSWORD)
    settings = load_settings()
    for shown in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert "never-shown" not in shown
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == SECRET


def test_what_sounds_like_a_secret_is_one() -> None:
    secret = {name for name in Settings.model_fields if re.search(r"key|secret|password|token|database_url", name)}
    assert {"openai_api_key", "database_url"} <= secret
    assert {
        name for name in secret if SecretStr not in getattr(Settings.model_fields[name].annotation, "__args__", ())
    } == set()


# -- openai -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "", "   ", "changeme", "CHANGE-ME", "sk-...", "your-api-key", "xxx"])
def test_openai_without_a_real_key_is_refused_at_the_start(key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a document is read, planned and failed with a 401."""
    values = {"EMBEDDING_PROVIDER": "openai"} | ({} if key is None else {"OPENAI_API_KEY": key})
    assert refusal(monkeypatch, **values) == (
        "Settings are wrong: settings: EMBEDDING_PROVIDER=openai needs a real OPENAI_API_KEY"
    )


def test_openai_with_a_key_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDING_PROVIDER", "openai")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert load_settings().embedding_provider == "openai"


def test_the_local_model_asks_for_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "changeme")
    assert load_settings().embedding_provider == "local"


# -- names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["My Index", "rowline/../x", "Rowline", "-rowline", "rowline-", "a" * 46, "row_line"])
def test_an_index_has_a_name_that_pinecone_can_give(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = refusal(monkeypatch, PINECONE_INDEX=name, VECTOR_STORE="pinecone", PINECONE_API_KEY=SECRET)
    assert told == (
        "Settings are wrong: PINECONE_INDEX: must be the name of an index: lower-case letters, digits and hyphens, "
        "45 at most"
    )


@pytest.mark.parametrize("name", ["a", "rowline", "rowline-2", "a" * 45])
def test_the_names_that_pinecone_gives_are_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINECONE_INDEX", name)
    assert load_settings().pinecone_index == name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PINECONE_CONTROLER_HOST", "PINECONE_CONTROLLER_HOST"),
        ("PINECONE_HOST", "PINECONE_INDEX_HOST"),
        ("PINCONE_API_KEY", "PINECONE_API_KEY"),
        ("S3_ENDPOINT", "S3_ENDPOINT_URL"),
        ("batch_row", "BATCH_ROWS"),
        ("DAGSTER_HOME", None),
        ("TEST_DATABASE_URL", None),
        ("OPENAI_ORG_ID", None),
        ("AWS_ENDPOINT_URL_S3", None),
        ("Batch_Rows", None),
    ],
)
def test_a_name_that_resembles_a_setting_is_told(name: str, meant: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "7")
    assert misspelt().get(name.upper()) == meant
    if meant:
        monkeypatch.setenv(meant, "7")
        assert name.upper() not in misspelt(), "the right one is set: nobody misses the other"


# -- homes ------------------------------------------------------------------------------------------------------


def test_two_homes_never_touch_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that the embedded default keeps lies inside its home."""
    homes = []
    for name in ("one", "two"):
        monkeypatch.setenv("ROWLINE_HOME", str(tmp_path / name))
        homes.append(load_settings())
    for settings, name in zip(homes, ("one", "two"), strict=True):
        for folder in (settings.rowline_home, settings.objects_folder, settings.inbox):
            assert folder.is_relative_to(tmp_path / name)


def test_a_home_is_absolute_wherever_the_command_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon, the UI and the command run in different folders."""
    monkeypatch.setenv("ROWLINE_HOME", "data/../here")
    assert load_settings().rowline_home == tmp_path / "here"
    monkeypatch.setenv("ROWLINE_HOME", "~/rowline")
    assert load_settings().rowline_home == Path.home().resolve() / "rowline"


def test_reading_the_settings_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWLINE_HOME", str(tmp_path / "home"))
    settings = load_settings()
    assert not settings.rowline_home.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_not_postgresql_is_refused_without_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL is the only database; the address holds a password."""
    told = refusal(monkeypatch, DATABASE_URL="mysql://rowline:hunter2-never-shown@db/rowline")
    assert told.startswith("Settings are wrong: DATABASE_URL: must start with postgresql://")
    assert "never-shown" not in told


def test_a_refused_address_is_in_no_traceback() -> None:
    """Who makes the settings by hand meets pydantic's own error, which shows the input by default."""
    with pytest.raises(ValidationError) as told:
        Settings(database_url="postgresql://rowline:never-shown/x@db/rowline")
    assert "never-shown" not in str(told.value)


# -- looking on in spite of wrong settings ----------------------------------------------------------------------


def test_what_is_right_is_read_although_something_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The doctor looks at the database also where the embedder's settings are nonsense."""
    for name, value in {
        "BATCH_ROWS": "abc",
        "DATABASE_POOL_SIZE": "4",
        "EMBEDDING_PROVIDER": "openai",
        "EMBEDDING_DIMENSIONS": "-1",
        "VECTOR_STORE": "pinecone",
    }.items():
        monkeypatch.setenv(name, value)
    settings, complaints = load_valid_settings()
    assert [complaint.name for complaint in complaints] == [
        "EMBEDDING_DIMENSIONS",
        "BATCH_ROWS",
        "OPENAI_API_KEY",
        "PINECONE_API_KEY",
        "PINECONE_INDEX",
    ]
    assert (settings.database_pool_size, settings.batch_rows) == (4, 100)
    assert (settings.embedding_provider, settings.vector_store) == ("local", "pgvector")
    with pytest.raises(ConfigurationError) as told:
        load_settings()
    assert [complaint.reason in str(told.value) for complaint in complaints] == [True] * 5


def test_right_settings_have_no_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_ROWS", "7")
    assert load_valid_settings() == (load_settings(), [])


def test_a_file_that_cannot_be_read_hides_nothing_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_bytes("# 설정\nBATCH_ROWS=7\n".encode("cp949"))
    monkeypatch.setenv("BATCH_ROWS", "8")
    settings, [complaint] = load_valid_settings()
    assert (settings.batch_rows, complaint.name) == (8, ".env")
