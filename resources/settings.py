"""The one typed settings class: the environment, then `.env`, then the embedded default."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipelines.failures import WrongSetting

PROJECT_ROOT = Path(__file__).resolve().parents[1]


class Settings(BaseSettings):
    """Everything that can be set. Names are the environment's, without a prefix."""

    model_config = SettingsConfigDict(
        env_file=(PROJECT_ROOT / ".env", ".env"), env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True
    )

    rowline_home: Path = Field(
        PROJECT_ROOT / ".rowline", description="Data of the embedded default: database, objects, inbox."
    )
    database_url: SecretStr | None = Field(
        None,
        description="A PostgreSQL 14 or newer; with pgvector, unless VECTOR_STORE is another. TLS as libpq has it "
        "(`?sslmode=verify-full&sslrootcert=…`). Unset: an embedded server in ROWLINE_HOME.",
    )
    database_direct_url: SecretStr | None = Field(
        None,
        description="The same database past PgBouncer, where DATABASE_URL goes through it: for migrations, LISTEN and "
        "Dagster's storage.",
    )
    database_pool_size: int = Field(8, ge=2, le=64, description="Most connections of a process to the ledger.")
    object_store: str | None = Field(
        None,
        description="Where uploaded files are kept: a folder, or `s3://bucket/prefix`; unset: ROWLINE_HOME/objects.",
    )
    s3_endpoint_url: str | None = Field(
        None,
        description="Any server that speaks S3; unset: AWS. Keys and region as boto3 finds them (AWS_ACCESS_KEY_ID, "
        "a profile, a role).",
    )

    embedding_provider: Literal["local", "openai"] = Field("local", description="Who turns text into vectors.")
    embedding_model: str | None = Field(
        None, description="Model of the provider; unset: use-m3 (local) or text-embedding-3-small (openai)."
    )
    embedding_dimensions: int | None = Field(
        None, gt=0, le=16_000, description="Length of a vector, where the model lets you choose."
    )
    openai_api_key: SecretStr | None = Field(None, description="Key for EMBEDDING_PROVIDER=openai.")
    openai_base_url: str | None = Field(None, description="Any server that speaks OpenAI's embeddings API.")
    vector_store: Literal["pgvector", "pinecone"] = Field("pgvector", description="Where vectors are searched.")
    pinecone_api_key: SecretStr | None = Field(None, description="Key for VECTOR_STORE=pinecone.")
    pinecone_index: str | None = Field(None, description="The index that holds our vectors, by name.")
    pinecone_controller_host: str | None = Field(
        None, description="Address of Pinecone's control plane; unset: Pinecone's own. Plain http only on loopback."
    )
    pinecone_index_host: str | None = Field(
        None, description="Address of the index itself, which saves looking it up by name."
    )

    batch_rows: int = Field(100, ge=1, le=10_000, description="Rows of one batch: the unit of progress.")
    batches_in_flight: int = Field(5, ge=1, le=64, description="Embedding requests of one document at a time.")
    embed_request_inputs: int = Field(256, ge=1, le=2048, description="Most texts of one embedding request.")
    upload_bytes: int = Field(200 * 2**20, gt=0, description="Largest file that is accepted.")
    reader_memory_bytes: int = Field(2**30, ge=2**27, description="Memory of the child process that reads a file.")
    reader_seconds: int = Field(240, gt=0, description="CPU seconds of the child process that reads a file.")

    dagster_port: int = Field(3000, ge=1, le=65_535, description="Port of the Dagster UI on 127.0.0.1.")

    @field_validator("rowline_home")
    @classmethod
    def absolute(cls, value: Path) -> Path:
        try:
            return value.expanduser().resolve()
        except RuntimeError:
            raise ValueError("names the home folder of a user who is not known here") from None

    @model_validator(mode="after")
    def openai_needs_a_key(self) -> Self:
        if self.embedding_provider == "openai":
            key = self.openai_api_key.get_secret_value().strip() if self.openai_api_key else ""
            if not key or key.lower() in PLACEHOLDERS:
                raise ValueError("EMBEDDING_PROVIDER=openai needs a real OPENAI_API_KEY")
        return self

    @model_validator(mode="after")
    def pinecone_needs_a_key_and_an_index(self) -> Self:
        if self.vector_store == "pinecone":
            key = self.pinecone_api_key.get_secret_value().strip() if self.pinecone_api_key else ""
            if not key or key.lower() in PLACEHOLDERS:
                raise ValueError("VECTOR_STORE=pinecone needs a real PINECONE_API_KEY")
            if not self.pinecone_index and not self.pinecone_index_host:
                raise ValueError("VECTOR_STORE=pinecone needs PINECONE_INDEX, the name of the index")
        return self

    @model_validator(mode="after")
    def local_has_one_model(self) -> Self:
        if self.embedding_provider == "local":
            if self.embedding_model not in (None, "use-m3"):
                raise ValueError(f"EMBEDDING_PROVIDER=local has the model use-m3, not {self.embedding_model}")
            if self.embedding_dimensions not in (None, 512):
                raise ValueError("EMBEDDING_PROVIDER=local gives 512 EMBEDDING_DIMENSIONS; leave it unset")
        return self

    @property
    def objects_folder(self) -> Path:
        return Path(self.object_store).expanduser().resolve() if self.object_store else self.rowline_home / "objects"

    @property
    def inbox(self) -> Path:
        return self.rowline_home / "inbox"


PLACEHOLDERS = frozenset({"changeme", "change-me", "xxx", "sk-...", "sk-xxx", "your-api-key", "todo", "placeholder"})


def load_settings() -> Settings:
    """Read the settings once, here.

    Raises WrongSetting, naming each setting that is wrong but never its value.
    """
    try:
        return Settings()
    except UnicodeDecodeError:
        raise WrongSetting("The file .env is not UTF-8 text; save it as UTF-8") from None
    except ValidationError as error:
        # input values may be secrets: only the names and the reasons are told
        told = "; ".join(
            f"{'.'.join(map(str, e['loc'])).upper() or 'settings'}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors(include_input=False, include_url=False)
        )
        raise WrongSetting(f"Settings are wrong: {told}") from None
