"""The child process that parses a foreign file: limits, the fork server that starts it, the frames it sends back."""
