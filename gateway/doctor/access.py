"""Checks of the way in: who may come, from where, and what could be read on the way."""

from gateway.doctor.context import Context
from gateway.doctor.results import Verdict, fine, skipped, warned
from settings.gateway import ANY
from settings.values import is_loopback


def development_login(context: Context) -> Verdict:
    """ENVIRONMENT alone decides it: no other setting turns it on or off."""
    settings = context.settings
    if settings.environment != "development":
        return fine(f"off, as always where ENVIRONMENT is {settings.environment}")
    if context.production:
        return context.error_in_production(
            f"a browser on this computer is an admin of {settings.default_organization} without a key",
            "Set ENVIRONMENT=production where production runs",
        )
    return fine(f"a browser on this computer, and nobody else, is an admin of {settings.default_organization}")


def origins(context: Context) -> Verdict:
    named = context.settings.origins_allowed
    if ANY in named:
        return context.error_in_production(
            "pages of any site may call the API from a browser", "Name the origins in CORS_ORIGINS"
        )
    plain = [origin for origin in named if origin.startswith("http://") and not is_loopback(_host(origin))]
    if plain:
        return context.error_in_production(
            f"{', '.join(plain)} can be changed on the way to a browser", "Name https origins only"
        )
    return fine(
        f"pages of {', '.join(named)} may call the API" if named else "no page of another site may call the API"
    )


def gateway_address(context: Context) -> Verdict:
    """Keys and files travel to it: where others reach it, TLS has to end in front of it."""
    settings = context.settings
    if is_loopback(settings.gateway_host):
        return fine(f"the gateway listens on {settings.gateway_host}: what is on this computer reaches it")
    if not settings.proxies:
        return context.error_in_production(
            f"GATEWAY_HOST is {settings.gateway_host} and TRUSTED_PROXIES is not set: keys are readable on the way, "
            "and all who come through a proxy share its address",
            "Put a TLS proxy in front and name its address in TRUSTED_PROXIES, or set GATEWAY_HOST=127.0.0.1",
        )
    return fine(f"the gateway listens on {settings.gateway_host} behind {', '.join(settings.proxies)}")


def gateway_names(context: Context) -> Verdict:
    settings = context.settings
    if settings.hosts_allowed:
        return fine(f"it answers as {', '.join(settings.hosts_allowed)}")
    if is_loopback(settings.gateway_host) or not context.production:
        return skipped("ALLOWED_HOSTS is not set: it answers under any name")
    return warned("ALLOWED_HOSTS is not set: it answers under any name", "Name those that people and apps use")


def _host(origin: str) -> str:
    return origin.partition("://")[2].rpartition(":")[0] or origin.partition("://")[2]
