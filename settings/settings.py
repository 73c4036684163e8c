"""The one typed settings class: the environment, then `.env`, then the embedded default."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.errors import ConfigurationError, InvalidRequest
from domain.events.file_paths import folder_of_each
from domain.validation_messages import reason_of_field
from formats.limits import Limits
from settings.errors import SettingError, SettingsConflict, is_real
from settings.gateway import GatewaySettings
from settings.notifications import NotificationSettings
from settings.postgres_urls import check_spelling
from settings.renamed import RENAMED, conflicts, current_name, old_names_in_use, renamed

PROJECT_ROOT = Path(__file__).resolve().parents[1]
EMBEDDER = (
    "embedding_provider",
    "embedding_model",
    "embedding_dimensions",
    "embedding_economy",
    "openai_api_key",
    "openai_base_url",
)
MIN_SIMILARITY = 0.8  # of difflib
MIN_SIMILARITY_OF_OTHERS = 0.9  # of a name that does not begin as one of ours does
VECTORS = ("vector_store", "pinecone_api_key", "pinecone_index", "pinecone_controller_host", "pinecone_index_host")


class Settings(GatewaySettings, NotificationSettings, BaseSettings):
    """Everything that can be set. Names are the environment's, without a prefix."""

    model_config = SettingsConfigDict(
        env_file=(PROJECT_ROOT / ".env", ".env"),
        env_file_encoding="utf-8",
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    environment: Literal["development", "preview", "production"] = Field(
        "development", description="Kind of deployment. In production `rowline doctor` reports more as failures."
    )
    rowline_home: Path = Field(
        PROJECT_ROOT / ".rowline", description="Folder of the embedded database, the objects and the inbox."
    )
    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL 14 or newer, with pgvector unless VECTOR_STORE is another. TLS by the parameters "
        "of libpq "
        "(`?sslmode=verify-full&sslrootcert=…`). Unset: an embedded server in ROWLINE_HOME.",
    )
    database_direct_url: SecretStr | None = Field(
        None,
        description="The same database without PgBouncer, if DATABASE_URL goes through it: for migrations, LISTEN and "
        "Dagster's storage.",
    )
    database_pool_size: int = Field(
        8, ge=2, le=64, description="Maximum number of connections of a process to the ledger."
    )
    object_store: str | None = Field(
        None,
        description="Storage of uploaded files: a folder, or `s3://bucket/prefix`; unset: ROWLINE_HOME/objects.",
    )
    s3_endpoint_url: str | None = Field(
        None,
        description="URL of an S3-compatible server; unset: AWS. Keys and region are those of boto3 "
        "(AWS_ACCESS_KEY_ID, "
        "a profile, a role).",
    )

    embedding_provider: Literal["local", "openai"] = Field("local", description="Service that computes embeddings.")
    embedding_model: str | None = Field(
        None, description="Model of the provider; unset: use-m3 (local) or text-embedding-3-small (openai)."
    )
    embedding_dimensions: int | None = Field(
        None, gt=0, le=16_000, description="Dimensions of a vector, if the model supports several."
    )
    openai_api_key: SecretStr | None = Field(None, description="Key for EMBEDDING_PROVIDER=openai.")
    openai_base_url: str | None = Field(
        None, description="URL of a server with OpenAI's embeddings API; unset: OpenAI."
    )
    embedding_economy: bool = Field(
        False,
        description="Whether uploads use OpenAI's Batch API by default, as with `--economy`: half the price, up to "
        "a day "
        "later.",
    )
    vector_store: Literal["pgvector", "pinecone"] = Field(
        "pgvector", description="Store in which vectors are searched."
    )
    pinecone_api_key: SecretStr | None = Field(None, description="Key for VECTOR_STORE=pinecone.")
    pinecone_index: str | None = Field(None, description="Name of the Pinecone index.")
    pinecone_controller_host: str | None = Field(
        None, description="URL of Pinecone's control plane; unset: Pinecone's own. Plain http on loopback only."
    )
    pinecone_index_host: str | None = Field(
        None, description="Host of the index; unset: it is looked up by PINECONE_INDEX."
    )

    batch_rows: int = Field(100, ge=1, le=10_000, description="Rows of a batch, the unit of progress.")
    batches_in_flight: int = Field(
        5, ge=1, le=64, description="Maximum number of concurrent embedding requests of a document."
    )
    embed_request_inputs: int = Field(
        256, ge=1, le=2048, description="Maximum number of texts in an embedding request."
    )
    inbox_versions: bool = Field(
        False,
        description="Whether an inbox file becomes a new version of the newest document of the same name and template.",
    )
    max_upload_bytes: int = Field(
        200 * 2**20, gt=0, description="Maximum size of a file in bytes.", validation_alias=renamed("upload_bytes")
    )
    reader_memory_bytes: int = Field(
        2**30, ge=2**27, description="Memory limit of the process that reads a file, in bytes."
    )
    reader_cpu_seconds: int = Field(
        240,
        gt=0,
        description="CPU time limit of the process that reads a file, in seconds.",
        validation_alias=renamed("reader_seconds"),
    )

    run_launcher: Literal["warm", "dagster"] = Field(
        "warm",
        description="How runs start: forked from a process that has imported the code, or by Dagster's own "
        "launcher (2 s slower).",
    )
    max_concurrent_runs: int = Field(
        4,
        ge=1,
        le=64,
        description="Maximum number of runs of this deployment at a time; further ones are queued.",
        validation_alias=renamed("runs_at_once"),
    )
    event_retention_days: int = Field(
        30,
        ge=2,
        description="Days until events, their function runs and finished notifications are deleted.",
        validation_alias=renamed("event_days"),
    )
    event_files_prefix: str = Field(
        "{organization}/",
        description="Prefix of the objects that `document/uploaded` may name; `{organization}` is a whole segment "
        "of it.",
        validation_alias=renamed("event_files"),
    )
    dagster_port: int = Field(3000, ge=1, le=65_535, description="Port of the Dagster UI on 127.0.0.1.")

    @field_validator("rowline_home")
    @classmethod
    def absolute(cls, value: Path) -> Path:
        try:
            return value.expanduser().resolve()
        except RuntimeError:
            raise ValueError("names the home folder of a user who is not known here") from None

    @field_validator("database_url", "database_direct_url")
    @classmethod
    def address(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            check_spelling(value.get_secret_value())
        return value

    @field_validator("object_store")
    @classmethod
    def folder_or_bucket(cls, value: str | None) -> str | None:
        if value and re.match(r"[A-Za-z0-9]{2,}:/", value) and not value.startswith("s3://"):
            raise ValueError("must be a folder or s3://bucket/prefix")  # else gs://… would be made as a folder
        return value

    @field_validator("pinecone_index")
    @classmethod
    def name_of_an_index(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,43}[a-z0-9])?", value):
            raise ValueError("must be the name of an index: lower-case letters, digits and hyphens, 45 at most")
        return value

    @field_validator("event_files_prefix")
    @classmethod
    def folder_for_each(cls, value: str) -> str:
        try:
            return folder_of_each(value)
        except InvalidRequest as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def fit_together(self) -> Self:
        errors = [*self._embedder_errors(), *self._vector_store_errors()]
        errors += [*self.gateway_errors(self.environment), *self.notification_errors(self.inngest_signing_key)]
        if errors:
            raise SettingsConflict(errors)
        return self

    def _embedder_errors(self) -> Iterator[SettingError]:
        if self.embedding_provider == "openai":
            if not is_real(self.openai_api_key):
                yield SettingError("OPENAI_API_KEY", "EMBEDDING_PROVIDER=openai needs a real OPENAI_API_KEY", EMBEDDER)
            return
        if self.embedding_model not in (None, "use-m3"):
            reason = f"EMBEDDING_PROVIDER=local has the model use-m3, not {self.embedding_model}"
            yield SettingError("EMBEDDING_MODEL", reason, EMBEDDER)
        if self.embedding_dimensions not in (None, 512):
            reason = "EMBEDDING_PROVIDER=local has 512 EMBEDDING_DIMENSIONS; leave it unset"
            yield SettingError("EMBEDDING_DIMENSIONS", reason, EMBEDDER)
        if self.embedding_economy:
            reason = "EMBEDDING_ECONOMY needs EMBEDDING_PROVIDER=openai; the local model costs nothing"
            yield SettingError("EMBEDDING_ECONOMY", reason, EMBEDDER)

    def _vector_store_errors(self) -> Iterator[SettingError]:
        if self.vector_store == "pinecone":
            if not is_real(self.pinecone_api_key):
                yield SettingError("PINECONE_API_KEY", "VECTOR_STORE=pinecone needs a real PINECONE_API_KEY", VECTORS)
            if not self.pinecone_index and not self.pinecone_index_host:
                reason = "VECTOR_STORE=pinecone needs PINECONE_INDEX, the name of the index"
                yield SettingError("PINECONE_INDEX", reason, VECTORS)

    @property
    def objects_folder(self) -> Path:
        return Path(self.object_store).expanduser().resolve() if self.object_store else self.rowline_home / "objects"

    @property
    def reading_limits(self) -> Limits:
        """What reading one file may cost."""
        return Limits(
            file_bytes=self.max_upload_bytes, memory_bytes=self.reader_memory_bytes, cpu_seconds=self.reader_cpu_seconds
        )

    @property
    def inbox(self) -> Path:
        return self.rowline_home / "inbox"


def load_settings() -> Settings:
    """Read the settings once, here.

    Raises ConfigurationError, naming each setting that is wrong but never its value.
    """
    settings, errors = load_valid_settings()
    if errors:
        raise ConfigurationError(f"Settings are wrong: {'; '.join(map(str, errors))}") from None
    return settings


def load_valid_settings() -> tuple[Settings, list[SettingError]]:
    """The settings, with the default for each that is wrong, and the errors: so that the doctor can go on."""
    errors = list(conflicts(_values_given()))
    overruled: dict[str, Any] = {}
    _use_defaults(overruled, errors)
    while True:  # each round overrules at least one more setting, and the defaults are valid
        try:
            return Settings(**overruled), errors
        except UnicodeDecodeError:
            new = [SettingError(".env", "the file is not UTF-8 text; save it as UTF-8", ())]
            overruled["_env_file"] = None
        except ValidationError as error:
            new = _setting_errors(error)
        reported = {error.name for error in errors}
        errors += [error for error in new if error.name not in reported]  # wrong, not also missing
        _use_defaults(overruled, new)


def old_names() -> dict[str, str]:
    """Old names in the environment or `.env` that are still accepted, each with the setting's new name."""
    return old_names_in_use(_values_given())


def misspelt() -> dict[str, str]:
    """Names in the environment or `.env` that nothing reads, each with the unset setting that it resembles.

    Other programs have variables too, so a name that resembles none of ours is not reported.
    """
    settings = {name.upper() for name in Settings.model_fields}
    prefixes = {name.partition("_")[0] for name in settings}
    given = set(_values_given())
    resembling: dict[str, str] = {}
    for name in sorted(given - settings - {old.upper() for old in RENAMED}):
        threshold = MIN_SIMILARITY if name.partition("_")[0] in prefixes else MIN_SIMILARITY_OF_OTHERS
        close = get_close_matches(name, settings, 1, threshold)
        if close and close[0] not in given:
            resembling[name] = close[0]
    return resembling


def _values_given() -> dict[str, str | None]:
    """Every variable of the environment and the `.env` files by its name in capitals, strongest source last."""
    from dotenv import dotenv_values

    files = Settings.model_config.get("env_file")
    assert isinstance(files, tuple)
    values: dict[str, str | None] = {}
    for file in files:
        with suppress(UnicodeDecodeError):  # reported when the settings are read
            values |= {name.upper(): value for name, value in dotenv_values(file, encoding="utf-8").items()}
    return values | {name.upper(): value for name, value in os.environ.items()}


def _use_defaults(overruled: dict[str, Any], errors: Sequence[SettingError]) -> None:
    for name in (name for error in errors for name in error.fields):
        overruled[name] = Settings.model_fields[name].default


def _setting_errors(error: ValidationError) -> list[SettingError]:
    """One for each wrong setting, with its name and the reason: the values may be secrets."""
    errors: list[SettingError] = []
    old = {new: old for old, new in old_names().items()}
    for wrong in error.errors(include_input=False, include_url=False):
        cause = wrong.get("ctx", {}).get("error")
        if isinstance(cause, SettingsConflict):
            errors += cause.errors
        else:
            name = str(wrong["loc"][0])
            name = old.get(name.upper(), name.upper())
            errors.append(SettingError(name, reason_of_field(wrong), (current_name(name.lower()),)))
    return errors
