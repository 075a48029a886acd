"""The paper accounts of one server, on one feed."""

import contextlib
import json
import logging
import threading
from typing import Any, TypeVar

from sqlalchemy import select

from tradeready_gym.errors import ConfigurationError, DataUnavailable, TradeReadyError
from tradeready_gym.live.feed import Feed, Slot
from tradeready_gym.live.feeds import make_feed
from tradeready_gym.live.hub import FeedHub
from tradeready_gym.live.orders import PaperOrder
from tradeready_gym.live.paper import PaperAccount
from tradeready_gym.live.risk import RiskLimits
from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.database.tables import accounts, agents
from tradeready_gym.platform.errors import BadRequest, PlatformError, Unavailable
from tradeready_gym.platform.events import Events
from tradeready_gym.platform.paper.views import order_event
from tradeready_gym.platform.settings import Settings

EVERYBODY = "everybody"  # who watches the market
_KEPT_DAYS = 3
_KEPT_LEAST = 1_500
_log = logging.getLogger(__name__)
Seen = TypeVar("Seen")


def topic_of(name: str) -> str:
    """Who watches the paper account of this name: `order` with the order, `portfolio` after a candle."""
    return f"paper:{name}"


class PaperAccounts:
    """One paper account for each account or agent that asked for one, with a journal under `HOME/paper`.

    Every key without an agent has the account's own; an agent has one of its own. What the feed brings goes to all of them.

    Args:
        feed: where candles come from; by default what the settings say.
    """

    def __init__(self, settings: Settings, database: Database, events: Events, feed: Feed | None = None) -> None:
        self._settings, self._database, self._events, self._feed = settings, database, events, feed
        self._lock = threading.RLock()
        self._hub: FeedHub | None = None
        self._never: ConfigurationError | None = None
        self._open: dict[str, PaperAccount] = {}
        self._broken: dict[str, str] = {}

    @property
    def hub(self) -> FeedHub:
        """The feed that all share.

        Raises:
            Unavailable: PRICE_NOT_AVAILABLE: the server has no feed, or it does not answer (yet).
        """
        if self._hub is not None:
            return self._hub
        if self._feed is None and self._settings.feed == "none":
            raise Unavailable(
                "this server has no live prices; start it with `tradeready serve --feed binance`",
                code="PRICE_NOT_AVAILABLE",
            )
        if self._never is not None:
            raise Unavailable(f"this server has no live prices: {self._never}", code="PRICE_NOT_AVAILABLE")
        raise Unavailable("the feed does not answer yet; try again in a moment", code="PRICE_NOT_AVAILABLE")

    def of(self, caller: Principal) -> PaperAccount:
        """The paper account of the caller's agent, or of the caller's account.

        Raises:
            Unavailable: PRICE_NOT_AVAILABLE: there is no feed, so there is no paper account either; DATA_DAMAGED: its journal
                cannot be gone on with, and the message says what to do.
        """
        with self._lock:
            name = caller.agent_id or caller.account_id
            if name not in self._open:
                self._open[name] = self._opened(name, caller)
            return self._open[name]

    def forget(self, name: str) -> None:
        """Open the account again from its journal when it is asked for: something went wrong in the middle of it."""
        with self._lock:
            account = self._open.pop(name, None)
            if account is not None:
                account.close()  # one at a time writes the journal

    def keep(self) -> None:
        """Connect to the feed, begin and go on with every account that has a journal; called again and again.

        A feed that there cannot be, as of a symbol that the venue does not have, is asked for once.

        Raises:
            TradeReadyError, OSError: the feed does not answer.
        """
        if self._never is not None:
            return
        try:
            self._hub = self._hub or self._connect()
        except ConfigurationError as error:
            self._never = error
            raise
        folder = self._settings.home / "paper"
        for path in sorted(folder.glob("*.journal")):
            if path.stem not in self._open:
                self._open_again(path.stem)
        for name, account in list(self._open.items()):
            self._go_on(name, account, profile=True)

    def close(self) -> None:
        """Let go of the feed; journals need no closing."""
        with self._lock:
            for account in self._open.values():
                account.close()
            if self._hub is not None:
                self._hub.close()

    # ---- inside ----

    def _connect(self) -> FeedHub:
        settings = self._settings
        feed = self._feed or make_feed(settings.feed, settings.feed_symbols, settings.feed_timeframe)
        hub = FeedHub(feed, kept=max(_KEPT_LEAST, _KEPT_DAYS * 86_400 // feed.timeframe.seconds))
        hub.listen(self._on_slot)
        hub.start()
        return hub

    def _opened(self, name: str, caller: Principal) -> PaperAccount:
        try:
            made = self._made(caller.account_id, caller.agent_id)
        except PlatformError:
            raise
        except DataUnavailable as error:
            raise Unavailable(f"the feed has too few candles yet: {error}", code="PRICE_NOT_AVAILABLE") from error
        except (TradeReadyError, OSError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            self._say_once(name, error)
            raise Unavailable(
                f"the paper account {name} cannot go on: its journal, paper/{name}.journal below TRADEREADY_HOME, is damaged, "
                f"another account's, or written by another server. Put a copy of it back, or move it away, and the account "
                f"begins anew; the server's log says which",
                code="DATA_DAMAGED",
                account=name,
            ) from error
        self._broken.pop(name, None)
        return made

    def _say_once(self, name: str, error: Exception) -> None:
        # what is wrong with one account is none of the others'; it is tried again, and said once
        if self._broken.get(name) != str(error):
            _log.error("the paper account %s cannot go on", name, exc_info=error)
        self._broken[name] = str(error)

    def _made(self, account_id: str, agent_id: str | None) -> PaperAccount:
        name = agent_id or account_id
        balance, profile = self._terms(account_id, agent_id)

        def listener(kind: str, order: PaperOrder | None) -> None:
            text = "" if order is None else json.dumps(order_event(order))
            self._events.publish(topic_of(name), kind, text)

        return PaperAccount(
            self.hub,
            name=name,
            journal=self._settings.home / "paper" / f"{name}.journal",
            starting_balance=balance,
            fill_at=self._settings.paper_fill_at,
            limits=_limits({}, profile),
            listener=listener,
        )

    def _terms(self, account_id: str, agent_id: str | None) -> tuple[float, dict[str, Any]]:
        with self._database.read() as connection:
            if agent_id is None:
                row = connection.execute(select(accounts).where(accounts.c.id == account_id)).one()
                return float(row.starting_balance), {}
            row = connection.execute(select(agents).where(agents.c.id == agent_id)).one()
            return float(row.starting_balance), dict(json.loads(row.risk_profile))

    def _follow_profile(self, name: str, account: PaperAccount) -> None:
        with self._database.read() as connection:
            row = connection.execute(select(agents.c.risk_profile).where(agents.c.id == name)).first()
        known = account.look(lambda ledger: ledger.limits)
        with contextlib.suppress(BadRequest):  # the limits that it has go on
            wanted = _limits(known.to_plain(), json.loads(row.risk_profile) if row is not None else {})
            if wanted != known:
                account.set_limits(wanted)

    def _owner_of(self, name: str) -> tuple[str, str | None] | None:
        with self._database.read() as connection:
            if connection.execute(select(accounts.c.id).where(accounts.c.id == name)).first():
                return name, None
            row = connection.execute(select(agents.c.account_id).where(agents.c.id == name)).first()
        return (row.account_id, name) if row is not None else None

    def _on_slot(self, slot: Slot) -> None:
        with self._lock:
            opened = list(self._open.items())
        for name, account in opened:
            self._go_on(name, account)
        self._events.publish(EVERYBODY, "slot", str(slot.time))

    def _open_again(self, name: str) -> None:
        owner = self._owner_of(name)
        if owner is None:
            return
        try:
            self.of(Principal(owner[0], owner[1], None, frozenset()))
        except Exception as error:
            self._say_once(name, error.__cause__ if isinstance(error.__cause__, Exception) else error)
        else:
            self._broken.pop(name, None)

    def _go_on(self, name: str, account: PaperAccount, *, profile: bool = False) -> None:
        try:
            account.catch_up()
            if profile:
                self._follow_profile(name, account)
        except OSError:
            # such as a full disk: nothing has happened then, and it is tried again
            _log.exception("the paper account %s could not take a candle", name)
        except Exception:
            _log.exception("the paper account %s failed; it is opened again from its journal", name)
            self.forget(name)


def _limits(known: dict[str, Any], profile: dict[str, Any]) -> RiskLimits:
    try:
        return RiskLimits.from_plain(known | profile)
    except (ConfigurationError, TypeError) as error:
        # an agent may be made with any profile
        raise BadRequest(f"the agent's risk profile is not valid: {error}", code="INVALID_RISK_PROFILE") from error
