"""Checks of the database: its server, its schema, and what our role may do there."""

from gateway.doctor.clocks import clock_verdict
from gateway.doctor.context import Context
from gateway.doctor.results import Verdict, failed, fine, skipped, warned
from resources.database.errors import OLDEST_SERVER, old_server
from resources.database.schema import branches_of

UPGRADE = "Run `rowline db upgrade`"


def server(context: Context) -> Verdict:
    settings = context.settings
    if settings.database_url is None and not (settings.rowline_home / "postgres" / "PG_VERSION").exists():
        return skipped("the embedded database is not made yet; `rowline dev` or the first upload makes it")
    found = context.services.inspection.server()
    place = context.services.inspection.place
    if found.version < OLDEST_SERVER * 10_000:
        raise old_server(found.version, context.services.inspection.url)
    version = f"{found.version // 10_000}.{found.version % 10_000}"
    return fine(f"PostgreSQL {version} at {place} answers {found.user} in {found.milliseconds:.0f} ms")


def direct_server(context: Context) -> Verdict:
    """DATABASE_DIRECT_URL is another way to the same database."""
    direct = context.services.direct_inspection
    if direct is None:
        return skipped("DATABASE_DIRECT_URL is not set: everything goes through DATABASE_URL")
    if direct.identity() != context.services.inspection.identity():
        return failed(
            f"DATABASE_DIRECT_URL leads to {direct.place}, which is another database than that of DATABASE_URL",
            "Let both name the same database, one of them past PgBouncer",
        )
    return fine(f"{direct.place} is the same database")


def tls(context: Context) -> Verdict:
    inspection = context.services.inspection
    if inspection.is_local:
        return fine("the database is on this computer")
    if not inspection.server().tls:
        return context.error_in_production(
            f"the connection to {inspection.place} is not encrypted",
            "Add ?sslmode=verify-full&sslrootcert=… to DATABASE_URL",
        )
    if context.production and not inspection.verifies_server:
        return warned(
            "the connection is encrypted, but whose server it is is not checked",
            "Add sslmode=verify-full and sslrootcert=… to DATABASE_URL",
        )
    return fine("the connection is encrypted")


def clock(context: Context) -> Verdict:
    return clock_verdict({"the database": context.services.inspection.ahead_of(context.clock)})


def pgvector(context: Context) -> Verdict:
    if context.settings.vector_store != "pgvector":
        return skipped("VECTOR_STORE is another; the database needs no pgvector")
    installed, offered = context.services.inspection.extension("vector")
    if installed:
        return fine(f"pgvector {installed}")
    if offered:
        return context.error_in_production(
            f"pgvector {offered} is on the server, but not in this database",
            "Run CREATE EXTENSION vector there as a superuser, then `rowline db upgrade`",
        )
    return failed(
        "the server has no pgvector",
        f"Install it (Debian: postgresql-{context.services.inspection.server().version // 10_000}-pgvector), "
        "or set VECTOR_STORE=pinecone",
    )


def migrations(context: Context) -> Verdict:
    found = context.services.inspection.migrations(branches_of(context.settings))
    if found.unknown:
        return failed(
            f"the database knows migrations that this Rowline does not: {', '.join(found.unknown)}",
            "Start the newer Rowline that made them, or another database",
        )
    if found.waiting:
        return context.error_in_production(f"migrations wait to be applied: {', '.join(found.waiting)}", UPGRADE)
    return fine("the schema is at its newest migration")


def rights(context: Context) -> Verdict:
    found = context.services.inspection.rights()
    if found.lacking:
        return failed(
            f"the role of DATABASE_URL lacks {', '.join(found.lacking[:5])}"
            + (f" and {len(found.lacking) - 5} more" if len(found.lacking) > 5 else ""),
            "Run `rowline db upgrade --grant-to ROLE` with the address of the owner",
        )
    if found.may_drop and context.production:
        return warned(
            "the role of DATABASE_URL can drop the ledger's tables",
            "Let a role own them and another one work with them: `rowline db upgrade --grant-to ROLE`",
        )
    return fine("the role reads and writes the ledger" + ("" if found.may_drop else ", and cannot drop it"))


def dagster_tables(context: Context) -> Verdict:
    missing = context.services.inspection.missing_dagster_tables()
    if missing:
        return context.error_in_production(
            f"Dagster's storage is not in this database yet ({', '.join(missing)})", "Start Dagster once: `rowline dev`"
        )
    return fine("Dagster's runs, events and schedules are in this database")
