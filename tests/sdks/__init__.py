"""The real SDKs of the event engine, unpatched, against the gateway on a real socket."""
