"""What is planned, embedded and stored of a version: batches, kept embeddings, jobs, differences to the store."""
