"""The JSON that people and apps are answered with, the same for HTTP and the command line."""
