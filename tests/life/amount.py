"""How many sequences are drawn: some in CI, the same ones every time; in the long run more, and others every time."""

SEQUENCES = {"pgvector": 10, "pinecone": 4}
STEPS = 14  # of one sequence, at most
SAME_EVERY_TIME = {"derandomize": True}
