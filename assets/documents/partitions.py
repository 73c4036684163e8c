"""The partitions of the document graph: one key per document, minted at upload, the same for all its versions."""

import dagster as dg

documents = dg.DynamicPartitionsDefinition(name="documents")
