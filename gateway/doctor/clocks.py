"""Checks of clocks: one that is wrong breaks signatures, tokens, and the order of things."""

from collections.abc import Mapping
from datetime import timedelta

from gateway.doctor.context import Context
from gateway.doctor.results import Verdict, failed, fine, skipped, warned
from resources.web_clock import web_time

WARNING_SKEW, MAX_SKEW = timedelta(seconds=5), timedelta(seconds=60)
REMEDY = "Let this computer follow a time server (chrony, systemd-timesyncd)"


def clock_verdict(ahead: Mapping[str, timedelta]) -> Verdict:
    """The verdict over how far each clock is ahead of ours."""
    worst, skew = max(ahead.items(), key=lambda entry: abs(entry[1]))
    if abs(skew) <= WARNING_SKEW:
        return fine(f"{', '.join(ahead)} agree{'s' if len(ahead) == 1 else ''} with this computer")
    way = "ahead of" if skew > timedelta() else "behind"
    said = f"the clock of {worst} is {abs(skew).total_seconds():,.0f} s {way} that of this computer"
    return failed(said, REMEDY) if abs(skew) > MAX_SKEW else warned(said, REMEDY)


def service_clocks(context: Context) -> Verdict:
    ahead = {}
    for name, address in service_addresses(context).items():
        before = context.clock()
        there = web_time(address)
        if there is not None:
            ahead[name] = there - (before + (context.clock() - before) / 2)
    return clock_verdict(ahead) if ahead else skipped("no service outside this computer sends its time")


def service_addresses(context: Context) -> dict[str, str]:
    """Where the services are that the settings choose; each says what time it is without being asked for more."""
    settings = context.settings
    addresses = {}
    if settings.embedding_provider == "openai":
        addresses["the embedding service"] = settings.openai_base_url or "https://api.openai.com"
    if settings.vector_store == "pinecone":
        addresses["Pinecone"] = settings.pinecone_controller_host or "https://api.pinecone.io"
    if settings.object_store and settings.object_store.startswith("s3://"):
        addresses["the object store"] = settings.s3_endpoint_url or "https://s3.amazonaws.com"
    return addresses
