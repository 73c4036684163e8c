"""The doctor: its frame, each mistake in the settings, and the command over a whole deployment."""
