"""Functions: what starts at an event, a handler for each, and the runner that works off what is due."""
