"""How people and apps reach us: the `rowline` command (later: HTTP and pages)."""
