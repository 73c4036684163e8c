"""The steps of the document graph, in order: the assets and the group run take the same ones."""

from collections.abc import Callable
from dataclasses import dataclass

from operations.documents import processing, step_checks
from operations.documents.processing import Facts, StepResources
from operations.documents.step_checks import Verdicts
from resources.ledger.documents.documents import Version


@dataclass(frozen=True, slots=True)
class Step:
    """`run` returns facts, given the id of the run; `checks` yields verdicts. A `costly` step takes long or is paid."""

    name: str
    run: Callable[[StepResources, Version, str], Facts]
    checks: Callable[[StepResources, Version], Verdicts]
    costly: bool = False


PARSED_ROWS = Step("parsed_rows", processing.read, step_checks.check_rows, costly=True)
BATCHES = Step("batches", processing.plan, step_checks.check_plan)
EMBEDDINGS = Step("embeddings", processing.embed, step_checks.check_embeddings, costly=True)
NAMESPACE_VECTORS = Step("namespace_vectors", processing.store, step_checks.check_vectors)
LINEAGE = Step("lineage", processing.make_live, step_checks.check_lineage)

STEPS = (PARSED_ROWS, BATCHES, EMBEDDINGS, NAMESPACE_VECTORS, LINEAGE)
