"""LiveTradingEnv: the environment's own step, one closed candle at a time, as the market makes them."""

import contextlib
import dataclasses
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tradeready_gym.envs import seams
from tradeready_gym.envs.clock import ClockTexts
from tradeready_gym.envs.trading import ResetNeeded, TradingEnvironment
from tradeready_gym.errors import ConfigurationError, EpisodeError
from tradeready_gym.features import DEFAULT_FEATURES, FeaturePipeline
from tradeready_gym.live import Feed, FeedEnded, GrowingReplayer, JournaledFeed, LiveExchange, SessionJournal, Slot
from tradeready_gym.live.journal import DecisionWithdrawn
from tradeready_gym.live.market import newest_features
from tradeready_gym.orders import Order

_LOOK_EVERY = 0.25
_PLACE = re.compile(r" at 0x[0-9a-fA-F]+")
CAPACITY = 65_536  # 45 days of minutes; a market that fills up moves into twice the room


class LiveTradingEnv(TradingEnvironment):
    """Trade now, with virtual money: `step` waits until the candle that the action trades in has closed.

    Observations, fills, rewards and infos are those of a `TradingEnvironment` over the same candles, to the last digit,
    because it is one: the candles come from `feed` instead of a file. `reset` begins an account at the feed's clock.

    The info has, besides: `passed_candles` (which were let pass before the decision, by `catch_up`), `decision_delay_ms` (how long after its candle opened the decision came), `quote_moved_pct` (how far
    the price had moved from that open by then, by symbol; None where the feed does not know), `missed_candles` (which closed
    before it came: they pass without a decision, and the action applies to the next), `gap`, and `feed`. `total_steps` and
    `progress_pct` are None: only ruin ends an episode.

    Args:
        feed: where candles come from.
        history_bars: candles to ask the feed for before the first decision; by default what the observation needs. Recursive
            features depend on the first candle they have seen: for parity with a backtest begin with the same.
        journal: a file in which everything that happens is written before it has an effect; one that exists is continued, by
            `recover()`. One environment alone writes it, until it is closed or its process ends.
        action_scheme, reward_scheme, feature_pipeline, lookback_window, max_loss, render_mode, ...: as in
            `TradingEnvironment`.
        starting_balance, fee_rate, slippage, account, ...: as in `SimulatedExchange`; `instruments` are the feed's by default.

    Raises:
        TypeError: an argument that only makes sense for candles that are there already.
        ConfigurationError: another one writes the journal, and who; or it is that of another composition.
        DataUnavailable: the feed has too few candles.
    """

    # a session that goes on for months keeps its actions in its journal
    keeps_actions = False
    # what a compacted journal says of the environment besides its account, as plain data
    of_the_session: tuple[str, ...] = ("_seeded", "_ready", "_episodes", "_earned", "_passed")
    # what orders of the action are held to, by those who do; see `envs.live_limits`
    limits: Any = None
    # whoever sets it ends a wait for a candle (`FeedEnded`), and the feed goes on
    interrupted: threading.Event | None = None

    def __init__(
        self,
        feed: Feed,
        *,
        history_bars: int | None = None,
        action_scheme: Any = "hold_buy_sell",
        feature_pipeline: Any = DEFAULT_FEATURES,
        lookback_window: int = 30,
        capacity: int = CAPACITY,
        journal: str | Path | SessionJournal | None = None,
        **arguments: Any,
    ) -> None:
        # without the platform, to which a sibling does not report
        self._given = {name: value for name, value in arguments.items() if name not in ("api_key", "base_url")} | {
            "action_scheme": action_scheme, "feature_pipeline": feature_pipeline, "lookback_window": lookback_window,
            "capacity": capacity,
        }  # fmt: skip
        for name in (
            "data",
            "exchange",
            "symbols",
            "timeframe",
            "start_time",
            "end_time",
            "episode_length",
            "steps_per_action",
        ):
            if name in arguments:
                raise TypeError(f"a live environment has no {name}=: its candles come from the feed, one by one")
        if capacity < 1:
            raise ConfigurationError(f"capacity must be at least 1; got {capacity}")
        if journal is not None:
            parts = {
                "action_scheme": action_scheme,
                "feature_pipeline": feature_pipeline,
                "lookback_window": lookback_window,
            } | self._limited()
            feed = _journaled(feed, journal, _described(feed, {**arguments, **parts}))
        with given_back_on_failure(feed):
            self.feed = feed
            needed = lookback_window + max(_warmup(feature_pipeline), max(1, 86_400 // feed.timeframe.seconds) + 1)
            market = GrowingReplayer(feed.history(max(needed, history_bars or 0)), capacity)
            costs = {name: arguments.pop(name) for name in _EXCHANGE_ARGUMENTS if name in arguments}
            costs.setdefault("instruments", {s: i for s, i in feed.instruments().items() if s in feed.symbols})
            exchange = LiveExchange(
                market, self._announce, self._announce_cancel, symbols=feed.symbols, timeframe=feed.timeframe, **costs
            )
            super().__init__(
                exchange,
                action_scheme,
                feature_pipeline=feature_pipeline,
                lookback_window=lookback_window,
                **({"episode_end": "gymnasium"} | arguments),
            )
            self._market = market
            self._prices_then: Mapping[str, float] | None = None
            # bid and ask as they were at the decision; of one that is done again, as they were then
            self._seen: dict[str, tuple[float, float]] = {}
            self._seen_then: dict[str, tuple[float, float]] | None = None
            self._pending = False
            self._earned, self._passed = 0.0, 0  # in candles that were let pass since the last decision
            self._refused: list[dict[str, Any]] = []
            self._own_table()
            self.engine.pipeline.forget(market.candles)

    def __repr__(self) -> str:
        return f"LiveTradingEnv({type(self.feed).__name__}, symbols={self.feed.symbols!r}, timeframe={self.feed.timeframe.label!r})"

    @property
    def clock_time(self) -> int:
        """When the newest closed candle ended, microseconds since 1970: the slot that is decided next."""
        return self._market.clock

    @property
    def market_so_far(self) -> GrowingReplayer:
        """The candles that have closed, and the room for more."""
        return self._market

    @property
    def begun(self) -> bool:
        """Whether an account has begun."""
        return self._total > 0

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an account at the feed's clock, after the newest closed candle."""
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(1 << 62))
        moment = self._began("reset", seed=seed)
        self._ready, self._earned, self._passed = False, 0.0, 0
        while self._market.clock + self.feed.timeframe.microseconds <= moment:
            self._append_next()
        segment = self.engine.segments[0]
        segment["first_row"] = self._market.closed
        segment["end_row"] = segment["data_end_row"] = len(self._market)
        self.engine.settings["keep_history"] = 1
        observation, info = super().reset(seed=seed, options=options)
        return observation, self._live_info(info, 0.0, 0, False)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Decide at the clock; returns when the candle that begins there has closed, or been declared a gap.

        A step that was interrupted while it waited has done nothing; its decision is withdrawn by whatever is done next.

        Raises:
            ActionError: the action is outside the space; nothing has happened then.
            ResetNeeded: before the first `reset`, or after the end of the episode.
            FeedEnded: there will be no further candle; the account stays as it is.
        """
        if not self._ready:
            raise ResetNeeded("the episode is over or has not begun; call reset() before step()")
        self._require_legal(action)
        self._seen = self._look() if self._seen_then is None else self._seen_then
        self._seen_then = None
        body = {"action": np.asarray(action).tolist(), "quotes": self._seen}
        moment = self._began("decide", slot=self._market.clock, **body)
        self._pending = True
        missed = self._let_missed_candles_pass(moment)
        if self.engine.state.accounts[0].done:
            self._pending = False
            ended = self._without_decision(self._told(missed), missed)
            self._end_episode(ended[4])
            return ended
        delay = max(0, moment - self._market.clock) / 1000.0
        gap = self._append_next()
        self._pending = False
        earned = self._told(missed)
        observation, reward, terminated, truncated, info = super().step(action)
        self._note_history()
        info = self._live_info(info, delay, missed, gap)
        self._passed = 0
        return observation, earned + reward, terminated, truncated, info

    def withdraw(self) -> bool:
        """Take back the decision of a step, or a `catch_up`, that was interrupted while it waited; returns whether there was one."""
        if not self._pending:
            return False
        self._pending = False
        try:
            self._began("withdraw")
        except BaseException:
            self._pending = True  # a disk that is full takes it later, or nobody could read on
            raise
        return True

    def catch_up(self) -> tuple[Any, dict[str, Any]] | None:
        """Let every candle that has closed by the feed's clock pass without a decision; None if none has.

        Returns the observation and the info that the next decision is taken by; `missed_candles` says how many have passed. What
        was filled and earned in them is told by the next step. Whoever waits, as on a feed that was away, calls it before deciding, so that nothing is decided by what was seen before.

        Raises:
            ResetNeeded: before the first `reset`, or after the end of the episode.
            FeedEnded: there will be no further candle.
        """
        if not self._ready:
            raise ResetNeeded("the episode is over or has not begun; call reset() first")
        doing_again = isinstance(self.feed, JournaledFeed) and self.feed.doing_again
        if not doing_again and self._market.clock + self.feed.timeframe.microseconds > self.feed.now():
            return None
        moment = self._began("pass")
        self._pending = True
        missed = self._let_missed_candles_pass(moment)
        self._pending = False
        observation, _, terminated, truncated, info = self._without_decision(0.0, missed)
        if terminated or truncated:
            self._end_episode(info)
        return observation, info | {"filled_orders": [], "rejected_orders": []}

    def compacted(self) -> "LiveTradingEnv":
        """An environment that goes on from here with a small journal; see `envs.live_compaction`.

        Raises:
            ConfigurationError: it has no journal, or cannot be compacted; everything is as it was.
            OSError: the disk refuses; everything is as it was.
        """
        from tradeready_gym.envs.live_compaction import compacted

        return compacted(self)

    def sibling(self, feed: Feed, journal: SessionJournal) -> "LiveTradingEnv":
        """An environment of the same composition on `feed`, which continues `journal`, and reports to no tracker."""
        return type(self)(feed, journal=journal, **self._given | self._limited() | {"track_training": False})

    def recover(
        self, decided: Callable[[int, Any, float, dict[str, Any]], object] = lambda *_: None
    ) -> tuple[Any, dict[str, Any]] | None:
        """Do again what the journal says was done; returns the last observation and info, None if no account had begun.

        A decision whose candle had not closed when the process ended is completed now, not taken again. Afterwards `step`
        goes on; the candles that closed meanwhile pass without a decision. `decided` is called with the slot, the action, the
        reward and the info of each decision of the journal.

        Raises:
            StoreError: the journal contradicts itself.
        """
        from tradeready_gym.envs.live_compaction import restore, seen_now

        last: tuple[Any, dict[str, Any]] | None = None
        while isinstance(self.feed, JournaledFeed) and (record := self.feed.next_record()) is not None:
            if record["message"] == "reset":
                last = self.reset(seed=record["seed"])
            elif record["message"] == "decide":
                self._seen_then = {s: (bid, ask) for s, (bid, ask) in record.get("quotes", {}).items()}
                action, slot = _action_of(record["action"], self.action_space), self._market.clock
                try:
                    observation, reward, _, _, info = self.step(action)
                except DecisionWithdrawn:
                    continue
                last = observation, info
                decided(slot, action, reward, info)
            elif record["message"] == "snapshot":
                last = restore(self, record)
            elif record["message"] == "pass":
                try:
                    last = self.catch_up() or last
                except DecisionWithdrawn:
                    continue
            elif record["message"] == "withdraw":
                self.withdraw()
                now = seen_now(self)
                if last is not None and last[1]["virtual_time"] != now[1]["virtual_time"]:
                    # candles had passed before the decision that was taken back
                    last = now[0], now[1] | {"filled_orders": [], "rejected_orders": []}
            elif record["message"] == "order":
                self._prices_then = record["prices"]
                self.exchange.submit([Order(**order) for order in record["orders"]])
            elif record["message"] == "cancel":
                self.exchange.cancel(record["order_id"])
        return last

    def close(self) -> None:
        """Complete the run in the tracker's journal, close the feed and the window, and let another one write `journal`."""
        super().close()
        self.feed.close()
        if isinstance(self.feed, JournaledFeed):
            self.feed.journal.close()

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError("a live environment cannot be copied or pickled: its feed is one connection to one market")

    # ---- inside ----

    def _began(self, kind: str, **body: Any) -> int:
        # whatever is done now, a decision that still waits for its candle is not carried out after it
        self.withdraw()
        if not isinstance(self.feed, JournaledFeed):
            return self.feed.now()
        if self.feed.recovering and not self.feed.doing_again:
            raise EpisodeError("the journal holds a session that goes on; call recover() before anything else")
        return self.feed.did(kind, **body)

    def _limited(self) -> dict[str, Any]:
        return {} if self.limits is None else {"limits": self.limits}

    def _look(self) -> dict[str, tuple[float, float]]:
        # the newest price stands for both
        return {symbol: (price, price) for symbol, price in self.feed.prices().items()}

    def _announce(self, orders: Sequence[Order]) -> Mapping[str, float]:
        prices = dict(self.feed.opening_prices()) if self._prices_then is None else self._prices_then
        self._prices_then = None
        self._began("order", orders=[dataclasses.asdict(order) for order in orders], prices=prices)
        return prices

    def _announce_cancel(self, order_id: int) -> None:
        self._began("cancel", order_id=order_id)

    def _append_next(self) -> bool:
        market = self._market
        row = int(self.engine.state.accounts[0].row) if self._ready else market.closed
        if row < market.closed:
            return bool(market.gaps_at(market.closed - 1).any())  # an action was refused after its candle had come
        slot = self._next_slot()
        row = market.append(slot)
        self._table[:, row] = newest_features(self.engine.pipeline, market.candles_so_far())
        # before the step: a step on the last row of the arrays would end the episode
        self._make_room()
        return bool(slot.gaps.any())

    def _next_slot(self) -> Slot:
        clock, wakes = self._market.clock, self.interrupted
        slot = self.feed.wait(clock, None if wakes is None else _LOOK_EVERY)
        while slot is None:
            if wakes is None:
                raise FeedEnded(f"the feed has no candle after {clock} and is not waiting for one")
            if wakes.is_set():
                raise FeedEnded("whoever waited for a candle was interrupted")
            slot = self.feed.wait(clock, _LOOK_EVERY)
        return slot

    def _let_missed_candles_pass(self, moment: int) -> int:
        account, step = self.engine.state.accounts[0], self.feed.timeframe.microseconds
        missed = 0
        while self._market.clock + step <= moment and not account.done:
            self._append_next()
            account.pending, account.reward = 0, 0.0
            if account.reported == 1:
                account.fills = account.rejects = account.reported = 0
            seams.trade(self.engine, 0, self._pay)
            seams.pay(self.engine, 0, self._pay)
            self._note_history()
            # whoever interrupts it hears of them with the next step
            self._earned += float(account.reward)
            self._passed += 1
            missed += 1
        return missed

    def _told(self, missed: int) -> float:
        earned, self._earned = self._earned, 0.0
        self._passed -= missed
        return earned

    def _without_decision(self, earned: float, missed: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation = self._next_observation()
        self._refresh_report()
        info = self._build_info()
        terminated, truncated = self._done()
        return observation, earned, terminated, truncated, self._live_info(info, 0.0, missed, False)

    def _note_history(self) -> None:
        # of an account that began before the candles that are kept, the engine does not know where in the curve it is
        engine, account = self.engine, self.engine.state.accounts[0]
        if account.start_row < 1:
            past, row = engine.history[0, account.row - 1], int(account.row)
            past[:3] = row, account.equity, account.cash
            past[3:] = engine.state.positions[0]["quantity"] * engine.rows[row - 1]["close"]

    def _require_legal(self, action: Any) -> None:
        if self.engine.python_scheme:
            if not self.action_space.contains(action):
                self._refuse(action)
        elif not self._count:
            self._box(action)
        elif not 0 <= self._discrete(action) < self._count:
            self._refuse(action)

    def _live_info(self, info: dict[str, Any], delay: float, missed: int, gap: bool) -> dict[str, Any]:
        info["total_steps"] = info["progress_pct"] = None
        info["decision_delay_ms"], info["missed_candles"], info["gap"] = delay, missed, gap
        info["passed_candles"] = self._passed
        info["feed"] = self.feed.health.state.value
        if self.limits is not None:
            info["refused_by_limits"], self._refused = self._refused, []
        info["quote_moved_pct"] = self._moved()
        return info

    def _moved(self) -> dict[str, float | None]:
        opens = self._market.rows["open"][self._market.closed - 1]
        moved: dict[str, float | None] = dict.fromkeys(self.engine.symbols)
        for place, symbol in enumerate(self.engine.symbols):
            if symbol in self._seen and not self._market.gaps_at(self._market.closed - 1)[place]:
                moved[symbol] = 100.0 * (0.5 * sum(self._seen[symbol]) / float(opens[place]) - 1.0)
        return moved

    def _own_table(self) -> None:
        engine = self.engine
        engine.table = np.array(engine.table)
        shape = (len(engine.symbols), len(self._market), engine.pipeline.width)
        self._table: npt.NDArray[np.float32] = engine.table.reshape(shape)
        engine._compile()
        self._bind()

    def _make_room(self) -> None:
        if not self._market.full:
            return
        engine, old = self.engine, self._market
        self._market = market = old.with_room(len(old))
        engine.market, engine.replayers, engine.rows, engine.times = market, [market], market.rows, market.times
        self.exchange.live_market = market  # type: ignore[attr-defined]
        table = np.full((len(engine.symbols), len(market), engine.pipeline.width), np.nan, np.float32)
        table[:, : len(old)] = self._table
        engine.table = table.reshape(-1)
        history = np.zeros((1, len(market) + 1, engine.history.shape[2]))
        history[:, : engine.history.shape[1]] = engine.history
        engine.history = history
        engine.settings["rows"] = len(market)
        engine.segments["end_row"] = engine.segments["data_end_row"] = len(market)
        account = engine.state.accounts[0]
        account.end_row = account.data_end_row = len(market)
        self._clock = ClockTexts(market.times, self.feed.timeframe.microseconds)
        self._own_table()
        if self._ready:
            self.exchange.bind(engine.state, market, self._fills, engine.history)


@contextlib.contextmanager
def given_back_on_failure(feed: Feed) -> Iterator[None]:
    """Let another one write the journal if the environment on this feed is not made after all."""
    try:
        yield
    except BaseException:
        if isinstance(feed, JournaledFeed):
            feed.journal.close()
        raise


_NOT_THE_STEP = {"render_mode", "track_training", "strategy_label", "api_key", "base_url", "flatten"}
_EXCHANGE_ARGUMENTS = (
    "starting_balance",
    "fee_rate",
    "maker_fee_rate",
    "slippage",
    "fill_at",
    "instruments",
    "max_volume_share",
    "max_open_orders",
    "account",
)


def _journaled(feed: Feed, journal: str | Path | SessionJournal, description: Mapping[str, Any]) -> JournaledFeed:
    file = journal if isinstance(journal, SessionJournal) else SessionJournal(journal)
    try:
        return JournaledFeed(feed, file, description)
    except BaseException:
        file.close()
        raise


def _described(feed: Feed, arguments: Mapping[str, Any]) -> dict[str, Any]:
    given = sorted(item for item in arguments.items() if item[0] not in _NOT_THE_STEP)
    # what has no repr of its own says where in the memory it is, which no other process has
    plain = {name: _PLACE.sub("", repr(value)) for name, value in given}
    return {"symbols": list(feed.symbols), "timeframe": feed.timeframe.label, **plain}


def _action_of(plain: Any, space: Any) -> Any:
    return plain if isinstance(plain, int) else np.asarray(plain, space.dtype)


def _warmup(features: FeaturePipeline | Sequence[Any]) -> int:
    pipeline = features if isinstance(features, FeaturePipeline) else FeaturePipeline(features)
    if "time_to_end" in pipeline.account_features:
        raise ConfigurationError("time_to_end needs an episode with an end, and a live one has none; leave it out")
    return pipeline.warmup_bars
