"""The whole ledger in one hand: what assets, sensors and the gateway are given."""

from dataclasses import dataclass
from typing import Self

from resources.database.connections import Database
from resources.ledger.alerts import Alerts
from resources.ledger.arrivals import Arrivals
from resources.ledger.documents import Documents
from resources.ledger.drift import Drift
from resources.ledger.embeddings import Embeddings
from resources.ledger.erasures import Erasures
from resources.ledger.event_runs import EventRuns
from resources.ledger.events import Events
from resources.ledger.groups import Groups
from resources.ledger.keys import Keys
from resources.ledger.lineage import Lineage
from resources.ledger.listing import Listing
from resources.ledger.live import Live
from resources.ledger.notices import Notices
from resources.ledger.orders import Orders
from resources.ledger.organizations import Organizations
from resources.ledger.plans import Plans
from resources.ledger.removals import Removals
from resources.ledger.sweeps import Sweeps
from resources.ledger.tallies import Tallies


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
