"""Stand-ins: servers on 127.0.0.1 that speak the protocol of a paid service, with its limits and its bad days."""
