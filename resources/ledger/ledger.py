"""The whole ledger in one hand: what assets, sensors and the gateway are given."""

from dataclasses import dataclass
from typing import Self

from resources.database.connections import Database
from resources.database.listen import wake_all
from resources.ledger.access.api_keys import ApiKeys
from resources.ledger.counters import Counters
from resources.ledger.documents.documents import Documents
from resources.ledger.documents.garbage_collection import GarbageCollector
from resources.ledger.documents.lineage import Lineage
from resources.ledger.documents.listing import Listing
from resources.ledger.documents.live_version import LiveVersions
from resources.ledger.documents.organizations import Organizations
from resources.ledger.documents.run_groups import RunGroups
from resources.ledger.documents.uploads import Uploads
from resources.ledger.events.events import Events
from resources.ledger.events.function_runs import FunctionRuns
from resources.ledger.indexing.embedding_jobs import EmbeddingJobs
from resources.ledger.indexing.embeddings import Embeddings
from resources.ledger.indexing.plans import Plans
from resources.ledger.indexing.reconciliation import Reconciliation
from resources.ledger.notifications.alerts import Alerts
from resources.ledger.notifications.outbox import Outbox
from resources.ledger.removal.erasures import Erasures
from resources.ledger.removal.removals import Removals


@dataclass(frozen=True, slots=True)
class Ledger:
    """The nouns of the ledger over one database."""

    database: Database
    organizations: Organizations
    uploads: Uploads
    documents: Documents
    plans: Plans
    embeddings: Embeddings
    lineage: Lineage
    live_versions: LiveVersions
    garbage: GarbageCollector
    reconciliation: Reconciliation
    removals: Removals
    erasures: Erasures
    embedding_jobs: EmbeddingJobs
    api_keys: ApiKeys
    events: Events
    function_runs: FunctionRuns
    listing: Listing
    outbox: Outbox
    run_groups: RunGroups
    alerts: Alerts
    counters: Counters

    @classmethod
    def over(cls, database: Database) -> Self:
        return cls(
            database,
            Organizations(database),
            Uploads(database),
            Documents(database),
            Plans(database),
            Embeddings(database),
            Lineage(database),
            LiveVersions(database),
            GarbageCollector(database),
            Reconciliation(database),
            Removals(database),
            Erasures(database),
            EmbeddingJobs(database),
            ApiKeys(database),
            Events(database),
            FunctionRuns(database),
            Listing(database),
            Outbox(database),
            RunGroups(database),
            Alerts(database, Outbox(database)),
            Counters(database),
        )

    def wake_waiting(self) -> None:
        """Ends every wait for uploads, events and notifications that anybody waits now."""
        wake_all(self.database)
