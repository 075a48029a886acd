"""The venue's clock is moved by no single answer, and closed candles are those that have closed by it."""

import json
import logging
from collections.abc import Callable
from typing import Any

import ccxt
import pytest
from fault_script import Plan, play
from hypothesis import given
from hypothesis import strategies as st
from test_ccxt_feed import HISTORY, kraken, quarters

from tradeready_gym.errors import DownloadError
from tradeready_gym.live import BinanceFeed, CcxtFeed
from tradeready_gym.live.assembler import Assembler
from tradeready_gym.live.binance_rest import BinanceRest
from tradeready_gym.live.clock import ShiftedClock, VirtualClock, WallClock
from tradeready_gym.live.replica import TIME_FAULTS
from tradeready_gym.live.replica_wire import kline_event
from tradeready_gym.live.venue_clock import VenueClock
from tradeready_gym.market import Timeframe

NOW = 1_704_070_800_000_000
SECOND, MINUTE, DAY = 1_000_000, 60_000_000, 86_400_000_000
WRONG = TIME_FAULTS | {"a year behind": lambda now: now - 365 * DAY // 1000}


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="tradeready_gym.live")


class Venue:
    """A venue whose clock is `ahead` of ours; what it answers is right but for `lies`, which come first; a question takes `way`."""

    def __init__(self, ahead: int = 5 * SECOND, way: int = 100_000) -> None:
        self.machine = VirtualClock(NOW, 1e-9)
        self.clock = ShiftedClock(self.machine, 0)
        self.ahead, self.way, self.asked = ahead, way, 0
        self.lies: list[Callable[[int], int]] = []
        self.known = VenueClock(self.clock, 500_000, 5 * SECOND)

    @property
    def time(self) -> int:
        return self.machine.now() + self.ahead

    def pass_by(self, microseconds: int) -> None:
        self.machine.advance_to(self.machine.now() + microseconds)

    def answer(self, asking: Callable[[], object]) -> int:
        asking()
        self.asked += 1
        self.pass_by(self.way // 2)
        told = self.time
        self.pass_by(self.way - self.way // 2)
        return self.lies.pop(0)(told // 1000) * 1000 if self.lies else told


@pytest.mark.parametrize("lie", WRONG)
@pytest.mark.parametrize("measured", [False, True], ids=["at the first question", "later"])
def test_one_absurd_answer_changes_nothing_but_what_is_said_of_it(lie: str, measured: bool) -> None:
    venue = Venue()
    if measured:
        venue.known.measure(venue.answer)
        assert (venue.known.wrong, venue.known.problem) == (0, None)
        venue.pass_by(MINUTE)
    venue.lies = [WRONG[lie]]
    there = venue.known.measure(venue.answer)
    assert venue.time - venue.way <= there <= venue.time
    assert abs(venue.known.now() - venue.time) <= venue.way
    assert venue.known.seen <= venue.time
    assert venue.known.wrong == 1
    assert "is not believed" in str(venue.known.problem)


def test_an_answer_that_agrees_is_believed_at_once_and_costs_one_question() -> None:
    venue = Venue()
    venue.known.measure(venue.answer)
    assert venue.asked == 2
    for _ in range(5):
        venue.pass_by(MINUTE)
        venue.known.measure(venue.answer)
    assert venue.asked == 7


@pytest.mark.parametrize("by", [90 * SECOND, -90 * SECOND])
def test_our_clock_that_is_set_needs_no_second_answer_for_the_steady_one_agrees(by: int) -> None:
    venue = Venue()
    venue.known.measure(venue.answer)
    venue.clock.shift(by)
    assert venue.known.is_doubtful
    # until it is measured nothing has passed that has not
    assert not venue.known.has_passed(venue.time + SECOND)
    venue.known.measure(venue.answer)
    assert (venue.asked, venue.known.wrong, venue.known.is_doubtful) == (3, 0, False)
    assert abs(venue.known.now() - venue.time) <= venue.way


@pytest.mark.parametrize("by", [3600 * SECOND, -3600 * SECOND])
def test_a_venue_that_really_sets_its_clock_is_followed_when_it_says_so_twice(by: int) -> None:
    venue = Venue()
    venue.known.measure(venue.answer)
    venue.ahead += by
    venue.known.measure(venue.answer)
    assert (venue.asked, venue.known.wrong) == (4, 0)
    assert abs(venue.known.now() - venue.time) <= venue.way


def test_a_venue_that_says_something_else_each_time_moves_nothing_and_is_named() -> None:
    venue = Venue()
    venue.known.measure(venue.answer)
    before = venue.known.now(), venue.known.seen, venue.known.offset
    venue.way = 0
    venue.lies = [lambda now, k=k: now + k * 3_600_000 for k in range(1, 6)]  # type: ignore[misc]
    with pytest.raises(DownloadError, match="does not say what time it is there"):
        venue.known.measure(venue.answer)
    assert (venue.known.now(), venue.known.seen, venue.known.offset) == before
    assert venue.known.wrong == 5


def test_a_time_before_a_candle_that_was_handed_out_is_not_believed_however_often_it_is_said() -> None:
    venue = Venue()
    venue.known.measure(venue.answer)
    venue.known.has_candle(venue.time - MINUTE)
    venue.lies = [TIME_FAULTS["time_zero"]] * 2 + [lambda now: now - 7_200_000] * 2
    there = venue.known.measure(venue.answer)
    assert venue.time - there <= venue.way
    assert venue.known.wrong == 4


@given(
    lies=st.lists(st.integers(-(1 << 60), 1 << 60), min_size=0, max_size=2, unique=True),
    way=st.integers(0, 20 * SECOND),
    ahead=st.integers(-DAY, DAY),
    passed=st.integers(0, 10 * DAY),
)
def test_whatever_is_said_once_the_idea_of_the_clock_stays_within_the_way_of_an_answer(
    lies: list[int], way: int, ahead: int, passed: int
) -> None:
    venue = Venue(ahead, way)
    venue.known.measure(venue.answer)
    venue.pass_by(passed)
    # two lies that differ by more than what readings may miss one another
    venue.lies = [lambda _, lie=lie: lie for lie in lies if abs(lie * 1000 - venue.time) > 60 * SECOND]  # type: ignore[misc]
    if len(venue.lies) == 2 and abs(lies[0] - lies[1]) < 60_000:
        venue.lies.pop()
    venue.known.measure(venue.answer)
    assert abs(venue.known.now() - venue.time) <= max(way, 1)
    assert venue.known.latest() >= venue.time >= venue.known.seen


def test_an_event_is_believed_as_far_as_the_measured_clock_can_be() -> None:
    venue = Venue()
    venue.known.measure(venue.answer)
    assert venue.known.hear(venue.time + SECOND, 2 * SECOND)
    # it lied by a second: what an answer on its way leaves open, no more
    assert venue.known.seen <= venue.time + venue.way
    assert not venue.known.hear(venue.time + 3 * SECOND, 2 * SECOND)
    assert not venue.known.has_passed(venue.time + SECOND // 2)


def test_an_answer_in_whole_milliseconds_holds_no_event_back() -> None:
    venue = Venue(ahead=5 * SECOND + 999, way=0)
    venue.lies = [lambda now: now] * 2
    venue.known.measure(venue.answer)
    ends = venue.time
    assert venue.known.hear(ends, 2 * SECOND)
    assert venue.known.has_passed(ends)


# ---- the feeds ----


def answering(rest: BinanceRest, times: list[Any]) -> None:
    """Let REST say these times, and then the right one."""
    import httpx2

    def answer(_: httpx2.Request) -> httpx2.Response:
        told = times.pop(0) if times else WallClock().now() // 1000
        return httpx2.Response(200, json={"serverTime": told})

    rest._http = httpx2.Client(base_url="http://venue", transport=httpx2.MockTransport(answer))


@pytest.mark.parametrize("lie", TIME_FAULTS)
def test_binance_tells_one_absurd_time_in_its_health_and_nowhere_else(lie: str) -> None:
    feed = BinanceFeed("BTCUSDT", "1m")
    answering(feed._rest, [])
    feed._measure_clock()
    assert feed.health.wrong_times == 0
    answering(feed._rest, [TIME_FAULTS[lie](feed.now() // 1000)])
    feed._measure_clock(attempts=1)
    assert abs(feed.now() - WallClock().now()) < SECOND
    assert abs(feed.health.clock_offset_us) < SECOND
    assert (feed.health.wrong_times, feed.health.malformed) == (1, 0)
    assert "is not believed" in str(feed.health.last_problem)
    feed.close()


@pytest.mark.parametrize("lie", ["time_zero", "time_day_ahead", "time_negative"])
def test_ccxt_tells_one_absurd_time_in_its_health_and_nowhere_else(lie: str) -> None:
    day = quarters()
    with kraken(day) as (venue, replica):
        feed = CcxtFeed(venue, "BTCUSDT", "15m", clock=replica.clock, patience=1.0)
        begin, genuine, step = int(day.candles.times[HISTORY]), venue.fetch_time, feed.timeframe.microseconds
        feed.history(100)
        lies: list[Callable[[int], int]] = []
        venue.fetch_time = lambda: lies.pop()(genuine()) if lies else genuine()
        for k in range(2):
            lies.append(TIME_FAULTS[lie])
            replica.clock.advance_to(begin + (k + 1) * step)
            slot = feed.wait(begin + k * step)
            assert slot is not None
            assert (slot.values[0, 3], slot.gaps.tolist()) == (day.candles.close[0, HISTORY + k], [False])
        assert abs(feed.now() - replica.clock.now()) < 2 * SECOND
        assert feed.health.wrong_times == 2
        assert feed.health.declared_gaps == 0
        assert "is not believed" in str(feed.health.last_problem)
        feed.close()


def test_kraken_is_the_venue_that_is_asked() -> None:
    assert ccxt.kraken().has["fetchTime"]


def waiting(feed: BinanceFeed, clock: VirtualClock) -> int:
    """The slot that is running, with the feed listening to no network."""
    running = clock.now() // MINUTE * MINUTE
    feed._assembler = Assembler(feed.symbols, MINUTE, running)
    return running


def closed(time: int, at: int, close: float = 10.0) -> str:
    values = (10.0, 10.0, 10.0, close, 0.0)
    return json.dumps(kline_event("BTCUSDT", Timeframe("1m"), time, values, closed=True, now=at)["data"])


def offline(start: int) -> tuple[BinanceFeed, VirtualClock]:
    clock = VirtualClock(start, 1e-9)
    feed = BinanceFeed("BTCUSDT", "1m", clock=clock)

    def told(asking: Callable[[], object] = lambda: None, attempts: int = 1) -> int:
        asking()
        return clock.now()

    feed._rest.time = told  # type: ignore[method-assign]
    feed._measure_clock()
    return feed, clock


@pytest.mark.parametrize("early", [2 * SECOND, SECOND, 200_000])
@pytest.mark.parametrize("told", ["the true time", "the end of the candle"])
def test_a_candle_that_is_called_closed_too_early_is_handed_out_when_it_has_closed(early: int, told: str) -> None:
    feed, clock = offline(NOW)
    running = waiting(feed, clock)
    clock.advance_to(running + MINUTE - early)
    # even with a time that fits
    feed._take(closed(running, clock.now() if told == "the true time" else running + MINUTE, close=10.0))
    assert feed._taken(running) is None
    clock.advance_to(running + MINUTE + 5_000)
    feed._take(closed(running, clock.now(), close=9.0 + 1.0))
    slot = feed._taken(running)
    assert slot is not None
    assert feed.health.too_early == (told == "the true time")
    feed.close()


def test_the_true_last_message_of_a_candle_is_not_held_back() -> None:
    feed, clock = offline(NOW)
    running = waiting(feed, clock)
    clock.advance_to(running + MINUTE)
    feed._take(closed(running, running + MINUTE))
    assert feed._taken(running) is not None
    # one that was made a moment before the end by the venue's own clock waits for it
    clock.advance_to(running + 2 * MINUTE - 50_000)
    feed._take(closed(running + MINUTE, clock.now()))
    assert feed._taken(running + MINUTE) is None
    clock.advance_to(running + 2 * MINUTE)
    assert feed._taken(running + MINUTE) is not None
    assert feed.health.too_early == 0
    feed.close()


def test_candles_of_the_future_fill_no_memory_and_are_told() -> None:
    feed, clock = offline(NOW)
    running = waiting(feed, clock)
    for k in range(1, 500):
        feed._take(closed(running + k * MINUTE, running + (k + 1) * MINUTE))
    assert feed._assembler is not None
    assert len(feed._assembler._waiting) == 0
    assert feed.health.too_early == 499
    assert "it is not believed" in str(feed.health.last_problem)
    feed.close()


def test_an_assembler_has_room_for_so_many_slots_and_asks_for_the_rest_later() -> None:
    assembler = Assembler(("A",), 60, 0, room=10)
    for k in range(1000):
        assembler.offer("A", k * 60 + 60, (1.0, 1.0, 1.0, 1.0, 0.0))
    assert (len(assembler._waiting), assembler.arrivals.ahead) == (9, 991)
    assembler.declare_gap("A", 1 << 40)
    assert len(assembler._waiting) == 9
    assert assembler.missing(1 << 40) == [("A", 0)]
    assembler.offer("A", 0, (1.0, 1.0, 1.0, 1.0, 0.0))
    while assembler.take() is not None:
        pass
    # what was not kept is missed when it is its turn
    assert assembler.missing(1 << 40) == [("A", k * 60) for k in range(10, 20)]


PLANS = {
    "early": Plan({2: ["early"], 4: ["early", "disconnect"]}),
    "far ahead": Plan({2: ["far_ahead"], 5: ["far_ahead", "drop"]}, clock="clock_set_back"),
    "time": Plan({k + 1: [name, "disconnect"] for k, name in enumerate(TIME_FAULTS)}, clock="clock_ahead"),
    "time, behind": Plan({k + 1: [name, "drop"] for k, name in enumerate(TIME_FAULTS)}, clock="clock_behind"),
}


@pytest.mark.parametrize("plan", PLANS)
def test_a_venue_that_lies_once_costs_no_candle(plan: str) -> None:
    outcome = play(PLANS[plan], 8)
    assert not outcome.wrong, outcome.first
    lies = {name for names in PLANS[plan].faults.values() for name in names} - {"disconnect", "drop"}
    assert lies <= set(outcome.injected)
    if "time" in plan:
        assert outcome.counted["wrong_times"] >= 4
        assert outcome.counted["declared_gaps"] == 0
    else:
        assert outcome.counted["too_early"] >= 2


# ---- planted defects ----


def test_a_feed_that_believes_the_first_answer_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def believing(self: VenueClock, ask: Callable[..., int]) -> int:
        reading = self._read(ask)
        self._believe(reading, jumped=False)
        return reading.there

    monkeypatch.setattr(VenueClock, "measure", believing)
    for lie in WRONG:
        with pytest.raises(AssertionError):
            test_one_absurd_answer_changes_nothing_but_what_is_said_of_it(lie, measured=True)
    monkeypatch.setattr(VenueClock, "measure", lambda self, ask: believing(self, ask))
    with pytest.raises(AssertionError):
        test_binance_tells_one_absurd_time_in_its_health_and_nowhere_else("time_day_ahead")


def test_a_feed_that_believes_the_flag_alone_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BinanceFeed, "_may_be_closed", lambda *_: True)
    monkeypatch.setattr(VenueClock, "has_passed", lambda *_: True)
    outcome = play(Plan({1: ["early"], 3: ["early"]}), 5)
    assert outcome.wrong["silent gaps"]


def test_a_feed_that_keeps_what_has_not_come_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BinanceFeed, "_may_be_closed", lambda *_: True)
    feed, clock = offline(NOW)
    running = waiting(feed, clock)
    for k in range(1, 500):
        feed._take(closed(running + k * MINUTE, running + (k + 1) * MINUTE))
    assert feed._assembler is not None
    assert len(feed._assembler._waiting) == 499
    feed.close()
