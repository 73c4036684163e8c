"""The same work into both vector stores: pgvector, and a strict stand-in for Pinecone on loopback."""

from benchmarks import report
from benchmarks.comparison import Say, compare
from benchmarks.endpoint import DIMENSION
from benchmarks.surroundings import pinecone

PINECONE_MS = 20  # what a request takes at least, as the embeddings endpoint


def measure(rows: int, rounds: int, say: Say) -> report.Section:
    say("pgvector")
    embedded = compare(rows, rounds, say)
    say("Pinecone")
    with pinecone(DIMENSION, PINECONE_MS) as address:
        return report.stores_section(embedded, compare(rows, rounds, say, address))
