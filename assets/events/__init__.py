"""What happens to events by the clock. What an event starts is in `operations/events`."""
