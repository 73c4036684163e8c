"""All checks, in the order in which they are reported."""

from functools import partial

from gateway.doctor import access, clocks, dagster, databases, notifications, services
from gateway.doctor import settings as setting_checks
from gateway.doctor.context import Context
from gateway.doctor.runner import SECONDS, Check
from settings.settings import EMBEDDER, VECTORS

HOME = ("rowline_home",)
DATABASE = ("database_url", "database_direct_url")
OBJECTS = ("object_store", "s3_endpoint_url")
MODEL_SECONDS = 40.0  # the local model is loaded from a disk that may be cold and slow


def checklist(context: Context) -> list[Check]:
    """All checks that make sense for these settings."""
    return [
        *_of_settings(context),
        *_of_the_gateway(),
        *_of_the_database(context),
        *_of_services(context),
        *_of_notifications(),
        *_of_dagster(),
    ]


def _of_settings(context: Context) -> list[Check]:
    look = setting_checks
    remedy = "Correct the settings"
    wrong = [Check(error.name, partial(look.wrong_setting, error), remedy) for error in context.setting_errors]
    named = {error.name for error in context.setting_errors}
    keys = [Check(name.upper(), partial(look.key, name), remedy) for name in look.KEYS if name.upper() not in named]
    return [
        *wrong,
        Check("settings", look.all_settings, remedy),
        Check("placeholders", look.placeholders, remedy),
        Check("names", look.names, remedy),
        Check("old names", look.renamed_settings, remedy),
        Check("environment", look.environment, remedy, settings=("environment",)),
        Check("rights of .env", look.dotenv_rights, remedy),
        Check("home", look.home, remedy, settings=HOME),
        Check("disk space", look.disk_space, remedy, ("home",), HOME),
        *keys,
        Check("database password", look.database_password, remedy, settings=DATABASE),
        Check("addresses", look.addresses, remedy),
        Check("choice of database", look.embedded_database, remedy, settings=DATABASE),
        Check("choice of objects", look.object_store_kind, remedy, settings=OBJECTS),
        Check("choice of embedder", look.embedder_kind, remedy, settings=EMBEDDER),
    ]


def _of_the_gateway() -> list[Check]:
    look = access
    remedy = "Correct the settings"
    return [
        Check("development login", look.development_login, remedy, settings=("environment",)),
        Check("origins", look.origins, remedy, settings=("cors_origins",)),
        Check("gateway address", look.gateway_address, remedy, settings=("gateway_host", "trusted_proxies")),
        Check("gateway names", look.gateway_names, remedy, settings=("allowed_hosts",)),
    ]


def _of_the_database(context: Context) -> list[Check]:
    look = databases
    at_home = () if context.settings.database_url else ("home",)
    remedy = "See DATABASE_URL, and that the server runs"
    return [
        Check("database", look.server, remedy, at_home, (*DATABASE, *HOME)),
        Check("direct database", look.direct_server, "See DATABASE_DIRECT_URL", ("database",)),
        Check("database TLS", look.tls, remedy, ("database",)),
        Check("database clock", look.clock, remedy, ("database",)),
        Check("pgvector", look.pgvector, remedy, ("database",), VECTORS),
        Check("migrations", look.migrations, remedy, ("database",), VECTORS),
        Check("database rights", look.rights, remedy, ("database", "migrations")),
        Check("Dagster storage", look.dagster_tables, remedy, ("database",)),
    ]


def _of_services(context: Context) -> list[Check]:
    look = services
    settings = context.settings
    at_home = () if settings.object_store else ("home",)
    in_database = ("pgvector", "migrations") if settings.vector_store == "pgvector" else ()
    return [
        Check("object store", look.object_store, "See OBJECT_STORE and S3_ENDPOINT_URL", at_home, OBJECTS),
        Check("bucket", look.bucket, "Grant what docs/objects.md lists", ("object store",)),
        Check(
            "embedding model", look.embedding_model, "See EMBEDDING_MODEL and EMBEDDING_DIMENSIONS", settings=EMBEDDER
        ),
        Check(
            "embedding service",
            look.embedding_service,
            "See OPENAI_API_KEY and OPENAI_BASE_URL",
            ("embedding model",),
            seconds=MODEL_SECONDS if settings.embedding_provider == "local" else SECONDS,
        ),
        Check(
            "vector store",
            look.vector_store,
            "See VECTOR_STORE and the settings of PINECONE_…",
            ("embedding model", *in_database),
            VECTORS,
        ),
        Check("service clocks", clocks.service_clocks, "See the network"),
    ]


def _of_notifications() -> list[Check]:
    look = notifications
    return [
        Check("slack", look.slack, "See SLACK_WEBHOOK_URL", settings=("slack_webhook_url",), seconds=25),
        Check("mail", look.mail, "See SMTP_URL and EMAIL_FROM", settings=("smtp_url", "email_from"), seconds=20),
        Check("webhooks", look.webhooks, "See WEBHOOK_ALLOWED_URLS", settings=("webhook_allowed_urls",)),
        Check("alerts", look.alerts, "See ALERT_CHANNELS", settings=("alert_channels",)),
    ]


def _of_dagster() -> list[Check]:
    look = dagster
    remedy = "See that Dagster's storage answers"
    return [
        Check("code location", look.code_location, "Run `dg check defs`", seconds=look.LOAD_TIMEOUT_SECONDS + 5),
        Check("daemon", look.daemon, remedy, ("settings", "Dagster storage", "code location")),
        Check("sensors", look.switches, remedy, ("settings", "Dagster storage", "code location")),
    ]
