"""What Rowline does over its resources, without Dagster: assets, sensors, routes and commands call these."""
