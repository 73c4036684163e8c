"""The whole ledger in one hand: what assets, sensors and the gateway are given."""

from dataclasses import dataclass
from typing import Self

from resources.database.connections import Database
from resources.ledger.access.api_keys import Keys
from resources.ledger.counters import Tallies
from resources.ledger.documents.documents import Documents
from resources.ledger.documents.garbage_collection import Sweeps
from resources.ledger.documents.lineage import Lineage
from resources.ledger.documents.listing import Listing
from resources.ledger.documents.live_version import Live
from resources.ledger.documents.organizations import Organizations
from resources.ledger.documents.run_groups import Groups
from resources.ledger.documents.uploads import Arrivals
from resources.ledger.events.events import Events
from resources.ledger.events.function_runs import EventRuns
from resources.ledger.indexing.embedding_jobs import Orders
from resources.ledger.indexing.embeddings import Embeddings
from resources.ledger.indexing.plans import Plans
from resources.ledger.indexing.reconciliation import Drift
from resources.ledger.notifications.alerts import Alerts
from resources.ledger.notifications.outbox import Notices
from resources.ledger.removal.erasures import Erasures
from resources.ledger.removal.removals import Removals


@dataclass(frozen=True, slots=True)
class Ledger:
    """The nouns of the ledger over one database."""

    database: Database
    organizations: Organizations
    arrivals: Arrivals
    documents: Documents
    plans: Plans
    embeddings: Embeddings
    lineage: Lineage
    live: Live
    sweeps: Sweeps
    drift: Drift
    removals: Removals
    erasures: Erasures
    orders: Orders
    keys: Keys
    events: Events
    event_runs: EventRuns
    listing: Listing
    notices: Notices
    groups: Groups
    alerts: Alerts
    tallies: Tallies

    @classmethod
    def over(cls, database: Database) -> Self:
        return cls(
            database,
            Organizations(database),
            Arrivals(database),
            Documents(database),
            Plans(database),
            Embeddings(database),
            Lineage(database),
            Live(database),
            Sweeps(database),
            Drift(database),
            Removals(database),
            Erasures(database),
            Orders(database),
            Keys(database),
            Events(database),
            EventRuns(database),
            Listing(database),
            Notices(database),
            Groups(database),
            Alerts(database, Notices(database)),
            Tallies(database),
        )

    def wake_waiting(self) -> None:
        """Ends every wait for uploads, events and messages: whoever waits is to end."""
        for noun in (self.documents, self.event_runs, self.notices):
            noun.wake_waiting()
