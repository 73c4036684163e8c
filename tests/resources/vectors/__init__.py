"""One contract for every body of the vector store."""
