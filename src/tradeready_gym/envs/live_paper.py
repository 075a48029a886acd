"""PaperTradingEnv: a live environment whose orders are those of its key's paper account on a platform."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from tradeready_gym.envs import seams
from tradeready_gym.envs.live import LiveTradingEnv, given_back_on_failure
from tradeready_gym.envs.trading import TradingEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges.execution import MARKET_CLOSED, RISK_LIMIT, record_reject
from tradeready_gym.live import Feed, JournaledFeed, SessionJournal
from tradeready_gym.live.platform_account import Outcome, PlatformAccount, SentOrder
from tradeready_gym.orders import REJECT_NAMES

_REASONS = {name: code for code, name in REJECT_NAMES.items()}
_TOO_LATE = ("candle_over", "price_unavailable")


class PaperTradingEnv(LiveTradingEnv):
    """As `LiveTradingEnv`, and each order is placed on the paper account of a platform before its candle closes.

    `reset` begins that account anew, with the same balance, after its terms were compared; then after every step cash, fees, gains,
    quantities and equity must be the same on both sides, to the last digit. What the platform refuses, for its risk limits or
    because the order came too late for its candle, is refused here too (`risk_limit`, `market_closed`), with the platform's
    own reason in the info's `refused_by_platform`. In a candle without volume an order fills where the platform has filled it, at the
    open.

    A decision whose orders were sent stands: if the step is interrupted while it waits, whatever is done next completes it first,
    and its reward is part of the next one. An order that may have been sent is sent again under its id, which makes no second one.

    Args:
        feed: that of the platform.
        paper: the account.
        arguments: those of `LiveTradingEnv`, on a spot account with an action scheme of market orders.

    Raises:
        ConfigurationError: the account cannot be the platform's: another kind of account or scheme, or other terms.
        AccountsDisagree (of `reset` and `step`): the two accounts are not the same any more, or somebody else has begun the one on the
            platform anew.
    """

    of_the_session = (*LiveTradingEnv.of_the_session, "_session", "_refused_there", "_ended_unseen")

    def __init__(self, feed: Feed, *, paper: PlatformAccount, **arguments: Any) -> None:
        super().__init__(feed, **arguments)
        self.paper = paper
        self._action: Any = None
        self._deciding = False
        self._sent: list[SentOrder] | None = None
        self._outcomes: list[Outcome] | None = None
        self._refused_there: list[dict[str, Any]] = []
        self._ended_unseen = False
        self._session: str | None = None
        with given_back_on_failure(self.feed):
            self._require_simple_orders()
            paper.check(self.exchange)

    def __repr__(self) -> str:
        return "Paper" + super().__repr__().removeprefix("Live")

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin both accounts anew; a decision that waits for its candle is gone with them."""
        self.paper.check(self.exchange)
        self._forget()
        self._refused_there, self._ended_unseen = [], False
        observation, info = super().reset(seed=seed, options=options)
        # a journal of an earlier version does not say which session it is
        self._session = self._once("opened", self._open).get("session")
        self._compare()
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Decide, place the orders, wait for the candle, and compare the accounts.

        Raises:
            AccountsDisagree: they are not the same any more; the step has been done on both sides. Or somebody else has begun the
                account on the platform anew; then no order of this step was sent there.
            PlatformRefused: the platform does not take the key any more; the decision stands, and is completed when it does.
        """
        if self._ready:
            self._require_legal(action)
            self.withdraw()
        if self._ended_unseen:  # by the decision that was completed just now
            earned, self._earned, self._ended_unseen = self._earned, 0.0, False
            return self._without_decision(earned, 0)
        self._action, self._deciding = action, True
        try:
            told = super().step(action)
        finally:
            self._deciding = False
        self._compare()
        return told

    def withdraw(self) -> bool:
        """Take back a decision of which nothing was sent; complete one whose orders may have been sent."""
        if isinstance(self.feed, JournaledFeed) and self.feed.doing_again:
            self._forget()  # as it was then
        if not self._pending or self._sent is None:
            return super().withdraw()
        if self._outcomes is None:
            self._send()
        self._append_next()
        self._pending = False
        self._earned += float(TradingEnvironment.step(self, self._action)[1])
        self._note_history()
        self._ended_unseen = not self._ready
        return False

    def sibling(self, feed: Feed, journal: SessionJournal) -> LiveTradingEnv:
        """As the environment's, on the same account of the platform."""
        return type(self)(
            feed, journal=journal, paper=self.paper, **self._given | self._limited() | {"track_training": False}
        )

    def close(self) -> None:
        """As the environment's; the account on the platform goes on."""
        super().close()
        self.paper.close()

    # ---- the hooks ----

    def _let_missed_candles_pass(self, moment: int) -> int:
        missed = super()._let_missed_candles_pass(moment)
        if self._deciding and not self.engine.state.accounts[0].done:
            self._deciding = False
            self._act()
            self._send()
        return missed

    def _act(self) -> None:
        engine = self.engine
        if not engine.python_scheme:
            self._actions[:] = self._discrete(self._action) if self._count else self._box(self._action)
        seams.act(engine, 0, self._action)
        account, orders = engine.state.accounts[0], engine.state.orders[0]
        self._sent = [
            SentOrder(
                self.clock_time, k, engine.symbols[orders[k].symbol], "buy" if orders[k].side > 0 else "sell",
                float(orders[k].quantity), bool(orders[k].sized),
            )
            for k in range(int(account.pending))
        ]  # fmt: skip

    def _send(self) -> None:
        """Place the orders, sells before buys as the engine does, and write down what became of each."""
        sent = self._sent or []
        # a scheme's sale of nothing is no order, and what is no number is refused here
        real = sorted(
            (order for order in sent if 0.0 < order.quantity < math.inf), key=lambda order: order.side == "buy"
        )
        told = self._once("sent", lambda: self._placed(real))
        nothing = {"status": "cancelled"}
        self._outcomes = [Outcome(**told.get(str(order.number), nothing)) for order in sent]

    def _take_action(self, action: Any) -> None:
        engine = self.engine
        self._ready = False
        account, orders = engine.state.accounts[0], engine.state.orders[0]
        kept, traded = 0, set[int]()
        self._refused_there = []
        told = list(zip(self._sent or [], self._outcomes or [], strict=True))
        # as the engine does: sells before buys
        for order, outcome in sorted(told, key=lambda one: one[0].side == "buy"):
            if outcome.status == "rejected":
                late = MARKET_CLOSED if outcome.reason in _TOO_LATE else RISK_LIMIT
                reason = _REASONS.get(outcome.reason or "", late)
                record_reject(account, orders[order.number], engine.state.rejects[0], reason)
                self._refused_there.append({"symbol": order.symbol, "side": order.side, "reason": outcome.reason})
        for k, (_, outcome) in enumerate(told):
            if outcome.status == "rejected":
                continue
            if outcome.status == "filled":
                traded.add(int(orders[k].symbol))
            orders[kept] = orders[k]
            kept += 1
        account.pending = kept
        self._sent = self._outcomes = None
        self._fill(traded)

    def _fill(self, traded: set[int]) -> None:
        engine = self.engine
        seams.quote_phase(engine, 0)
        candles = self._market.rows[int(engine.state.accounts[0].row)]
        quiet = [j for j in traded if candles["volume"][j] <= 0.0]
        # the platform could not know that nothing else would be traded in it
        candles["volume"][quiet] = 1.0
        seams.fill(engine, 0)
        candles["volume"][quiet] = 0.0

    def _announce(self, orders: Any) -> Mapping[str, float]:
        raise ConfigurationError(
            "orders of a person go to the platform (POST /trade/order), on an account of their own"
        )

    def _live_info(self, info: dict[str, Any], delay: float, missed: int, gap: bool) -> dict[str, Any]:
        return super()._live_info(info, delay, missed, gap) | {"refused_by_platform": self._refused_there}

    # ---- inside ----

    def _require_simple_orders(self) -> None:
        exchange = self.exchange
        if self.action_scheme.rests or exchange.account is not None or exchange.max_volume_share is not None:
            raise ConfigurationError(
                "the paper account of a platform takes market orders of a spot account: give an action scheme that makes no "
                "others, account='spot' and no max_volume_share; or leave out paper_account="
            )

    def _forget(self) -> None:
        self._sent = self._outcomes = None
        self.engine.state.accounts[0].pending = 0

    def _placed(self, orders: list[SentOrder]) -> dict[str, Any]:
        if orders:
            self.paper.check_session(self._session)  # what another one trades on gets no order of ours
        return {str(order.number): asdict(self.paper.place(order)) for order in orders}

    def _open(self) -> dict[str, Any]:
        return {"session": self.paper.reset(self.exchange.starting_balance)}

    def _compare(self) -> None:
        if isinstance(self.feed, JournaledFeed) and self.feed.recovering:
            return  # what was compared then
        state = self.engine.state
        self.paper.check_session(self._session)
        self.paper.compare(self.exchange.symbols, state.accounts[0], state.positions[0], self.clock_time)

    def _once(self, kind: str, do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do it and write down what came of it; of what is done again, what was written down."""
        feed = self.feed
        if not isinstance(feed, JournaledFeed):
            return do()
        if feed.recovering:
            if feed.next_kind != kind:
                return {}  # it was given up then
            record = feed.next_record() or {}
            feed.did(kind)
            return dict(record["outcome"])
        outcome = do()
        feed.did(kind, outcome=outcome)
        return outcome
