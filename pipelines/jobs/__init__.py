"""Jobs: named selections of the graph, and maintenance."""
