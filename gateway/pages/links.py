"""Where a run can be looked at in the Dagster UI."""

from settings.settings import Settings


def run_address(settings: Settings, run_id: str | None) -> str | None:
    """The page of a run; None where there is no run yet."""
    base = (settings.dagster_url or f"http://127.0.0.1:{settings.dagster_port}").rstrip("/")
    return f"{base}/runs/{run_id}" if run_id else None
