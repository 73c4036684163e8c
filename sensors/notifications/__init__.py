"""What wakes us for notices and alerts: a message that is due, a cause that came or went."""
