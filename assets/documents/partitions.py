"""Partitions and stores of the documents domain: one partition per document, and the store that they all fill."""

import dagster as dg

# one key per document, minted at upload, the same for all its versions
documents = dg.DynamicPartitionsDefinition(name="documents")

vector_store = dg.AssetSpec(
    "vector_store",
    group_name="stores",
    owners=["team:documents"],
    kinds={"vectors"},
    deps=["namespace_vectors"],
    description="All of the vector store, over all documents: filled by their runs, compared by vector-sync.",
)
