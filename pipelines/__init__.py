"""The roof: Dagster definitions, jobs, schedules, the wiring of settings to resources. Only `gateway` sees it."""
