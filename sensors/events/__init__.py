"""What wakes us for events, and the effects of their functions: each once, by the id of the event's run."""
