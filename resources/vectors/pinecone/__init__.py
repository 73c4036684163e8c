"""The vector store in Pinecone: the official SDK over REST, and its vectors API (ADR 0008)."""
