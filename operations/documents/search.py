"""Search: the question becomes a vector, the store names the nearest, the ledger says which live rows they are."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from domain.errors import InvalidRequest
from resources.embedders.protocol import Embedder
from resources.ledger.ledger import Ledger
from resources.vectors.protocol import Match, VectorStore

if TYPE_CHECKING:
    import numpy as np

MAX_CANDIDATES = 10_000
MAX_DISTURBED = 3  # attempts, before versions that would go live have to wait for the search
MAX_SOURCES = 50  # rows named per hit; equal rows share a vector


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows may be found."""

    organization_id: str
    employee_id: str | None = None
    document_id: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A vector and the live rows that point at it."""

    match: Match
    sources: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Search:
    """Search over what is live; it never trusts the store about who owns a row or whether it is live."""

    ledger: Ledger
    vectors: VectorStore
    embedder: Embedder

    def find(self, question: str, scope: Scope, top_k: int = 10) -> list[Hit]:
        """The best `top_k` hits, best first.

        The store may hold vectors of versions that are not live yet or any more; the query is widened until it has
        enough live ones or the store has no more. If the live version of a document changed meanwhile, the search is
        repeated: its hits would be a mixture. Raises InvalidRequest for a question without a word.
        """
        if not question.strip():
            raise InvalidRequest("The question is empty; say what to look for")
        if not self._namespaces(scope):  # nothing to compare with: the question is not paid for
            return []
        embedded = self.embedder.embed([question])
        if embedded.refused:
            raise InvalidRequest(f"The question cannot be searched: {embedded.refused[0]}")
        live, organization = self.ledger.live_versions, scope.organization_id
        for _ in range(MAX_DISTURBED):
            before = live.fingerprint(organization, scope.document_id)
            hits = self._nearest(embedded.vectors[0], scope, top_k)
            if live.fingerprint(organization, scope.document_id) == before:
                return hits
        with live.block_flips(organization):
            return self._nearest(embedded.vectors[0], scope, top_k)

    def _nearest(self, vector: "np.ndarray", scope: Scope, top_k: int) -> list[Hit]:
        """The best live rows, whole if no live version changes meanwhile."""
        namespaces = self._namespaces(scope)
        if not namespaces:
            return []
        among = self.ledger.organizations.document_vectors(scope.document_id) if scope.document_id else None
        limit = top_k * 2
        while True:
            matches = self.vectors.query(self.embedder.model.key, namespaces, vector, limit, among)
            hits = self._live(matches, scope)
            if len(hits) >= top_k or len(matches) < limit or limit >= MAX_CANDIDATES:
                return hits[:top_k]
            limit = min(limit * 4, MAX_CANDIDATES)

    def _namespaces(self, scope: Scope) -> list[str]:
        return self.ledger.organizations.namespaces(scope.organization_id, scope.employee_id, scope.document_id)

    def _live(self, matches: list[Match], scope: Scope) -> list[Hit]:
        sources = self.ledger.lineage.sources(
            scope.organization_id, [match.vector_id for match in matches], scope.employee_id, scope.document_id
        )
        return [Hit(match, sources[match.vector_id][:MAX_SOURCES]) for match in matches if match.vector_id in sources]

    def unsearchable(self, scope: Scope) -> list[str]:
        """Live documents that this search cannot reach: another model embedded them, or they are in another store."""
        return self.ledger.lineage.elsewhere(scope.organization_id, self.embedder.model.key, self.vectors.name)
