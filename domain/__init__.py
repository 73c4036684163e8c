"""Pure rules and values by noun: documents, events, access … No Dagster, database, network, file or clock."""
