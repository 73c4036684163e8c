"""API keys of organizations, sessions, and signatures that were used."""
