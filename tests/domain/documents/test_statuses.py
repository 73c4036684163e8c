"""The sentences about a version's end."""

from domain.documents.statuses import unexplained_end


def test_an_end_without_a_reason_says_where_to_look_and_what_to_do() -> None:
    run = "0a1b2c3d-4e5f-6789"
    assert unexplained_end("failed", ["batches", "embeddings"], run) == (
        "The run failed in batches, embeddings; run 0a1b2c3d in Dagster has the details. "
        "Finished batches are kept: retry."
    )
    assert unexplained_end("was stopped", [], run).startswith("The run was stopped; run 0a1b2c3d in Dagster")
