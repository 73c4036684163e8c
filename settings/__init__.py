"""The one settings class, its sections, the values it accepts, and its errors. Read from the environment once."""
