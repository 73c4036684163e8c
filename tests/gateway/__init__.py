"""The command: its JSON, its exit codes, its sentences."""
