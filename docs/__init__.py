"""The guide and the decisions, and what generates parts of them from the code."""
