"""What the routes of one server share."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from tradeready_gym.platform.database import Database
from tradeready_gym.platform.events import Events
from tradeready_gym.platform.measures import Measures
from tradeready_gym.platform.rates import Rates
from tradeready_gym.platform.settings import Settings

if TYPE_CHECKING:
    from tradeready_gym.platform.deployments import Deployments
    from tradeready_gym.platform.market.catalog import Catalog
    from tradeready_gym.platform.market.gaps import GapFinder
    from tradeready_gym.platform.paper.manager import PaperAccounts
    from tradeready_gym.platform.sessions.manager import SessionManager


@dataclass(eq=False)
class Platform:
    """Settings, database, events, measures and sessions of one server process."""

    settings: Settings
    database: Database
    events: Events = field(default_factory=Events)
    measures: Measures = field(default_factory=Measures)

    def __post_init__(self) -> None:
        self.rates = Rates(self.database, self.settings.limits.rates())

    @cached_property
    def sessions(self) -> "SessionManager":
        """The backtest sessions; asking for them is what loads the engine."""
        from tradeready_gym.platform.sessions.manager import SessionManager

        return SessionManager(self.settings, self.database, self.events)

    @cached_property
    def catalog(self) -> "Catalog":
        """The candles of this server."""
        from tradeready_gym.platform.market.catalog import Catalog

        return Catalog(self.settings.home)

    @cached_property
    def gaps(self) -> "GapFinder":
        """What is missing from them."""
        from tradeready_gym.platform.market.gaps import GapFinder

        return GapFinder(self.catalog)

    @cached_property
    def paper(self) -> "PaperAccounts":
        """The paper accounts and their feed; asking for them is what loads the engine."""
        from tradeready_gym.platform.paper.manager import PaperAccounts

        return PaperAccounts(self.settings, self.database, self.events)

    @cached_property
    def deployments(self) -> "Deployments":
        """The agents at work; they go on when the server ends."""
        from tradeready_gym.platform.deployments import Deployments

        return Deployments(self.settings, self.database)

    def close(self) -> None:
        """Put the sessions to sleep and close the database."""
        if "paper" in self.__dict__:
            self.paper.close()
        if "sessions" in self.__dict__:
            self.sessions.close()
        self.database.close()
