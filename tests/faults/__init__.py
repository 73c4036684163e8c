"""Every service, every fault, every point of the graph: where a document ends up, and that the laws still hold."""
