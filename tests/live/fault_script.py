"""Everything that a venue and a machine do to an agent at work, played by seed, and judged against the backtest.

What is wrong afterwards is counted, not raised, so that a table can say it by fault:

    duplicate orders   a slot that was decided twice, an order id that was filled twice, a fill that the backtest does not have
    silent gaps        a slot that the account's market lacks, has otherwise than the recording, or calls a gap when it is none
    lost fills         a fill of the backtest that the account does not have
    other              an observation, equity or clock that differs; a request within the time for which the venue had refused
"""

import dataclasses
import functools
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tradeready_gym import TradingEnvironment
from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.live import BinanceFeed
from tradeready_gym.live.clock import ShiftedClock
from tradeready_gym.live.replica import (
    CORRECTED_VOLUME,
    LYING_FAULTS,
    MIDWAY_FAULTS,
    REST_FAULTS,
    STREAM_FAULTS,
    TIME_FAULTS,
    Replica,
)
from tradeready_gym.market import Candles, synthetic

START = "2024-01-02T01:00:00Z"
HISTORY, PLAYED, SPEED, STILL = 1500, 1200, 240.0, 0.001
SECOND, MINUTE = 1_000_000, 60_000_000
CLOCK_TOLERANCE = 600.0  # seconds of the venue's, at this speed 2.5 of ours
SLOTS, DECISIONS = 24, 16
CLOCK_FAULTS = {"clock_ahead": 120, "clock_behind": -120, "clock_set_forward": 90, "clock_set_back": -90}
HALTS = {"halt_1": 1, "halt_5": 5, "halt_500": 500}
LIES = (*LYING_FAULTS, *TIME_FAULTS)
LONG = ("outage_500", "leap_500", "halt_500")
FEATURES = ["candles", "balance", "position", "unrealized_pnl"]
WRONG = ("duplicate orders", "silent gaps", "lost fills", "other")


DESCRIBED = {
    "disconnect_midway": "disconnect in the middle of a candle",
    "disconnect": "disconnect at a candle's end",
    "day_old": "24-hour disconnect",
    "shutdown": "server shutdown notice",
    "duplicate": "duplicate candle",
    "late": "late candle",
    "swap": "candles out of order",
    "correction": "corrected candle",
    "future": "event time an hour ahead",
    "early": "running candle that is called closed",
    "far_ahead": "closed candle of two hours from now",
    "drop": "candle lost by the stream",
    "outage_1": "out of reach for 1 candle",
    "outage_5": "out of reach for 5 candles",
    "outage_500": "out of reach for 500 candles",
    "leap_1": "asleep for 1 candle",
    "leap_5": "asleep for 5 candles",
    "leap_500": "asleep for 500 candles",
    "halt_1": "gap of 1 candle (no trading)",
    "halt_5": "gap of 5 candles (no trading)",
    "halt_500": "gap of 500 candles (no trading)",
    "clock_ahead": "clock 120 s ahead",
    "clock_behind": "clock 120 s behind",
    "clock_set_forward": "clock set forward by 90 s on the way",
    "clock_set_back": "clock set back by 90 s on the way",
    "time_zero": "venue's time 0 over REST, once",
    "time_day_ahead": "venue's time a day ahead over REST, once",
    "time_in_seconds": "venue's time in seconds over REST, once",
    "time_negative": "venue's time negative over REST, once",
    "http_429": "429",
    "http_418": "418",
    "http_500": "500",
    "http_503": "503",
    "junk": "malformed JSON over REST",
    "malformed": "malformed messages in the stream",
    "foreign": "messages of other streams",
}


@dataclass
class Outcome:
    """What one run came to. `wrong` counts by `WRONG`, `first` says what was wrong first."""

    injected: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    first: str = ""

    def note(self, kind: str, what: str, times: int = 1) -> None:
        """Something is wrong."""
        if times:
            self.wrong[kind] += times
            self.first = self.first or what


@functools.cache
def recording(halt: tuple[int, int] = (0, 0)) -> Candles:
    """Minutes with prices of eight decimals, as the wire has them; without the candles of `halt`, counted from the start."""
    bars = HISTORY + PLAYED
    whole = synthetic(symbols=("BTCUSDT",), timeframe="1m", start="2024-01-01T00:00:00Z", bars=bars, seed=3)
    keep = np.ones(bars, np.bool_)
    keep[HISTORY + halt[0] : HISTORY + halt[1]] = False
    values = [np.round(getattr(whole, name)[:, keep], 8) for name in ("open", "high", "low", "close", "volume")]
    return Candles.from_arrays(("BTCUSDT",), "1m", whole.times[keep], *values, end=whole.end)


@dataclass(frozen=True)
class Plan:
    """What goes wrong in one run: the venue's faults by slot, a halt, and what happens to our clock."""

    faults: dict[int, list[str]] = field(default_factory=dict)
    halt: str | None = None
    clock: str | None = None
    halt_slot: int = 7

    @property
    def rows_without_candle(self) -> tuple[int, int]:
        """The halt, as slots."""
        return (self.halt_slot, self.halt_slot + HALTS[self.halt]) if self.halt else (0, 0)

    def replica(self) -> Replica:
        """The venue that does it. A long halt is over soon: time leaps in it."""
        faults = {slot: list(names) for slot, names in self.faults.items()}
        if self.halt == "halt_500":
            # the last candles of the halt are lived through
            faults.setdefault(self.halt_slot, []).append("leap_500")
        return Replica(recording(self.rows_without_candle), START, speed=STILL, faults=faults)


def plan_of(seed: int) -> Plan:
    """Three kinds of trouble at random, one long one for every third seed, a wrong time for every fifth, and for another a lie."""
    generator = np.random.default_rng(seed)
    short = [name for name in (*STREAM_FAULTS, *MIDWAY_FAULTS, *REST_FAULTS) if name not in (*LONG, "future")]
    faults = {
        slot: [str(name) for name in generator.choice(short, generator.integers(1, 4))]
        for slot in range(SLOTS)
        if generator.random() < 0.5
    }
    halt = None if seed % 2 else ("halt_1", "halt_5", "halt_500")[seed // 2 % 3]
    if seed % 4 == 1:
        faults.setdefault(12, []).append(("outage_500", "leap_500")[seed // 4 % 2])
    if seed % 5 == 2:
        faults.setdefault(3, []).append("future")
    if seed % 5 == 3:
        # the time is asked for when the connection is made
        name = LIES[seed // 5 % len(LIES)]
        faults.setdefault(4, []).extend([name] if name in LYING_FAULTS else [name, "disconnect"])
    clock = list(CLOCK_FAULTS)[seed % 4]
    return Plan(faults, halt, clock, halt_slot=int(generator.integers(3, 10)))


def play(plan: Plan, decisions: int = DECISIONS, seed: int = 0) -> Outcome:
    """Play the plan live and in the backtest with the same random actions; what differed."""
    outcome = Outcome()
    replica = plan.replica()
    with replica.serving():
        offset = CLOCK_FAULTS[plan.clock] * SECOND if plan.clock in ("clock_ahead", "clock_behind") else 0
        clock = ShiftedClock(replica.clock, offset)
        feed = BinanceFeed(
            "BTCUSDT",
            "1m",
            rest_url=replica.rest_url,
            stream_url=replica.stream_url,
            clock=clock,
            patience=20.0,
            seed=0,
        )
        live = LiveTradingEnv(feed, history_bars=HISTORY, slippage=0.0005, feature_pipeline=FEATURES)
        try:
            _compare(plan, live, replica, clock, decisions, seed, outcome)
        finally:
            live.close()
        health = feed.health
    counted = (
        "reconnects",
        "backfilled",
        "duplicates",
        "corrections",
        "late",
        "malformed",
        "declared_gaps",
        "wrong_times",
        "too_early",
    )
    for name in counted:
        outcome.counted[name] += getattr(health, name)
    outcome.note("other", "a request came while the venue refused", replica.told.impatient)
    outcome.injected.update(
        {name: n for name, n in replica.told.faults.items() if plan.halt is None or name != "leap_500"}
    )
    outcome.injected.update(name for name in (plan.halt, plan.clock) if name)
    return outcome


def _compare(
    plan: Plan, live: LiveTradingEnv, replica: Replica, clock: ShiftedClock, decisions: int, seed: int, outcome: Outcome
) -> None:
    seen, info = live.reset(seed=seed)
    candles, begin = replica.candles, live.clock_time
    anchor = live._market.candles_so_far().start
    begun = info["virtual_time"]
    backtest = _backtest(live, candles.between(anchor, None), begun)
    expected, told = backtest.reset(seed=seed)
    trail: list[tuple[list[Any], Any]] = []
    backtest.action_space.seed(seed)
    replica.clock.run(SPEED)  # what had to be compiled took no time there
    fills: dict[str, list[dict[str, Any]]] = {"live": [], "backtest": []}
    corrected, clocks = any("correction" in names for names in plan.faults.values()), [live.clock_time]
    for k in range(decisions):
        if k == decisions // 2 and plan.clock in ("clock_set_forward", "clock_set_back"):
            clock.shift(CLOCK_FAULTS[plan.clock] * SECOND)
        action = backtest.action_space.sample()
        seen, _, _, _, info = _step(live, action)
        trail.append(([0] * info["missed_candles"] + [action], seen))
        for passing in trail[-1][0]:
            expected, _, _, _, told = backtest.step(passing)
            fills["backtest"] += told["filled_orders"]
        fills["live"] += info["filled_orders"]
        clocks.append(live.clock_time)
        outcome.counted["missed candles"] += info["missed_candles"]
        ahead = (live.feed.now() - replica.clock.now()) / SECOND
        outcome.note(
            "other", f"step {k}: the venue's clock is {ahead:.0f} s ahead of the venue", ahead > CLOCK_TOLERANCE
        )
        same = all(info[name] == told[name] for name in ("equity", "step", "virtual_time"))
        outcome.note("other", f"step {k}: {info['equity']} at {info['virtual_time']}, not {told['equity']}", not same)
        # a correction that comes in time is what the agent sees; the recording gets it afterwards
        outcome.note("other", f"step {k}: another observation", not (corrected or np.array_equal(seen, expected)))
    if corrected:
        again = _backtest(live, as_corrected(live, candles).between(anchor, None), begun)
        again.reset(seed=seed)
        have = live.market_so_far.candles_so_far()
        outcome.counted["corrected slots"] += int((have.volume == float(CORRECTED_VOLUME)).sum())
        _judge_observations(again, trail, outcome)
    outcome.counted["decisions"] += decisions
    _judge_fills(fills["live"], fills["backtest"], outcome)
    outcome.note("duplicate orders", f"clocks {clocks}", len(clocks) - len(set(clocks)))
    _judge_slots(live, candles, begin, outcome)


def _backtest(live: LiveTradingEnv, candles: Candles, begun: str) -> TradingEnvironment:
    return TradingEnvironment(
        data=candles, symbols="BTCUSDT", timeframe="1m", slippage=0.0005, start_time=begun, episode_end="gymnasium",
        instruments=dict(live.feed.instruments()), feature_pipeline=FEATURES,
    )  # fmt: skip


def as_corrected(live: LiveTradingEnv, candles: Candles) -> Candles:
    """The recording with those corrections that came before their slot was handed out; what came later changes nothing."""
    have = live.market_so_far.candles_so_far()
    volume = candles.volume.copy()
    there = volume[:, candles.row_of(have.start) :][:, : len(have)]
    there[:] = np.where(have.volume == float(CORRECTED_VOLUME), have.volume, there)
    return dataclasses.replace(candles, volume=volume)


def _judge_observations(backtest: TradingEnvironment, trail: list[tuple[list[Any], Any]], outcome: Outcome) -> None:
    for k, (actions, seen) in enumerate(trail):
        for action in actions:
            expected = backtest.step(action)[0]
        outcome.note(
            "other", f"step {k}: another observation than of corrected data", not np.array_equal(seen, expected)
        )


def _step(live: LiveTradingEnv, action: Any) -> Any:
    # whoever waits for a candle that never comes would wait for ever
    guard = threading.Timer(60.0, live.feed.close)
    guard.start()
    try:
        return live.step(action)
    finally:
        guard.cancel()


def _judge_fills(live: list[dict[str, Any]], backtest: list[dict[str, Any]], outcome: Outcome) -> None:
    mine, theirs = (Counter(tuple(sorted(fill.items())) for fill in fills) for fills in (live, backtest))
    ids = Counter(fill["order_id"] for fill in live)
    outcome.counted["fills"] += len(backtest)
    outcome.note("lost fills", f"fills {live}", (theirs - mine).total())
    outcome.note("duplicate orders", f"fills {live}", max((mine - theirs).total(), len(live) - len(ids)))


def _judge_slots(live: LiveTradingEnv, candles: Candles, begin: int, outcome: Outcome) -> None:
    have = live._market.candles_so_far()
    true = candles.between(have.start, have.end)
    outcome.counted["slots"] += (have.end - begin) // MINUTE
    outcome.note("silent gaps", f"{len(have)} slots, not {len(true)}", abs(len(true) - len(have)))
    if len(have) != len(true):
        return
    wrong = have.gaps[0] != true.gaps[0]
    for name in ("open", "high", "low", "close", "volume"):
        differs = getattr(have, name)[0] != getattr(true, name)[0]
        if name == "volume":
            differs &= getattr(have, name)[0] != float(CORRECTED_VOLUME)
        wrong |= differs & ~true.gaps[0] & ~have.gaps[0]
    outcome.note("silent gaps", f"slots {np.flatnonzero(wrong).tolist()} are not as recorded", int(wrong.sum()))
