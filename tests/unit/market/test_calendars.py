"""Trading hours: the grid is the slots in sessions, and the clock passes over the nights."""

from typing import Any

import numpy as np
import pytest

from tradeready_gym.envs import TradingEnvironment, check_trading_env
from tradeready_gym.errors import ConfigurationError, DataError
from tradeready_gym.exchanges import MarginAccount, SimulatedExchange
from tradeready_gym.market import Candles, TradingCalendar, format_time, keep_traded, parse_time, split
from tradeready_gym.orders import Order

NEW_YORK = TradingCalendar(holidays=("2024-01-15", "2024-02-19"))
HALF_HOUR = 1_800_000_000
DAY_SLOTS = 13
HOLIDAY_WEEK = ("2024-01-08T00:00:00Z", "2024-01-20T00:00:00Z")


def grid(start: str, end: str, step: int = HALF_HOUR) -> Any:
    return np.arange(parse_time(start), parse_time(end), step, dtype=np.int64)


def stock(
    start: str = "2024-01-08T00:00:00Z", end: str = "2024-02-24T00:00:00Z", missing: tuple[int, ...] = ()
) -> Candles:
    """Half hours of the regular sessions alone, as a source delivers them; the rest are gaps."""
    slots = grid(start, end)
    times = np.delete(slots[NEW_YORK.contains(slots, "30m")], missing)
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.003, len(times))))
    first = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(first, close), np.minimum(first, close)
    return Candles.from_arrays("SPY", "30m", times, first, high, low, close, np.full(len(times), 1e5))


def opens(calendar: TradingCalendar, start: str, end: str) -> list[str]:
    return [format_time(int(time)) for time in calendar.sessions(parse_time(start), parse_time(end))[:, 0]]


def test_sessions_follow_daylight_saving_weekends_and_holidays() -> None:
    # New York left winter time on Sunday, 2024-03-10: 9:30 was 14:30 UTC before and 13:30 UTC after
    assert opens(NEW_YORK, "2024-03-08T00:00:00Z", "2024-03-12T00:00:00Z") == [
        "2024-03-08T14:30:00Z",
        "2024-03-11T13:30:00Z",
    ]
    assert opens(NEW_YORK, "2024-01-12T00:00:00Z", "2024-01-17T00:00:00Z") == [
        "2024-01-12T14:30:00Z",
        "2024-01-16T14:30:00Z",
    ]


def test_a_session_may_last_past_midnight() -> None:
    futures = TradingCalendar("America/Chicago", "17:00", "16:00", weekdays=(6, 0, 1, 2, 3))
    slots = grid("2024-01-05T00:00:00Z", "2024-01-09T00:00:00Z", 2 * HALF_HOUR)
    closed = [format_time(int(time)) for time in slots[~futures.contains(slots, "1h")]]

    # from Friday 16:00 to Sunday 17:00 in Chicago, and an hour every day
    assert closed[0] == "2024-01-05T22:00:00Z" and closed[48] == "2024-01-07T22:00:00Z"
    assert closed[49:] == ["2024-01-08T22:00:00Z"]


def test_a_slot_counts_when_any_of_it_is_in_the_session() -> None:
    hours = grid("2024-01-08T00:00:00Z", "2024-01-09T00:00:00Z", 2 * HALF_HOUR)

    assert np.flatnonzero(NEW_YORK.contains(hours, "1h")).tolist() == [14, 15, 16, 17, 18, 19, 20]


def test_nights_are_no_rows_and_a_missing_candle_stays_a_gap() -> None:
    whole = stock(*HOLIDAY_WEEK, missing=(20,))
    kept = NEW_YORK.keep(whole)

    assert len(kept) == 9 * DAY_SLOTS and not kept.regular and whole.regular
    assert np.flatnonzero(kept.gaps[0]).tolist() == [20]
    assert kept.close[0, 20] == kept.open[0, 20] == kept.close[0, 19] and kept.volume[0, 20] == 0.0
    assert int(whole.gaps.sum()) > 400
    assert len(keep_traded(whole)) == 9 * DAY_SLOTS - 1 and not keep_traded(whole).gaps.any()


def test_candles_outside_of_the_sessions_are_left_out_and_not_remembered() -> None:
    slots = grid("2024-01-08T12:00:00Z", "2024-01-08T18:00:00Z")
    price = np.arange(100.0, 100.0 + len(slots))
    there = np.arange(len(slots)) != 5  # the first slot of the session, 14:30, is missing
    values = price[there]
    early = Candles.from_arrays("SPY", "30m", slots[there], values, values, values, values, np.ones(len(values)))
    kept = NEW_YORK.keep(early)

    assert format_time(kept.start) == "2024-01-08T14:30:00Z" and kept.close[0, :2].tolist() == [104.0, 106.0]
    later = NEW_YORK.keep(Candles.merge([early]).between("2024-01-08T13:00:00Z"))
    assert later == kept


def test_a_time_between_sessions_means_the_next_slot() -> None:
    kept = NEW_YORK.keep(stock(*HOLIDAY_WEEK))

    assert kept.row_of("2024-01-09T00:00:00Z") == DAY_SLOTS == kept.row_of("2024-01-09T14:30:00Z")
    assert kept.row_of("2024-01-13T00:00:00Z") == kept.row_of("2024-01-16T14:30:00Z") == 5 * DAY_SLOTS
    day = kept.between("2024-01-09T00:00:00Z", "2024-01-10T00:00:00Z")
    assert len(day) == DAY_SLOTS and day.regular
    spans = split(kept, 0.5, 0.25)
    assert len(kept.between(spans.train.start, spans.train.end)) == round(9 * DAY_SLOTS * 0.5)


def test_resampling_stays_within_sessions() -> None:
    kept = NEW_YORK.keep(stock(*HOLIDAY_WEEK))
    hours = kept.resample("1h")
    second = kept.between("2024-01-09T00:00:00Z", "2024-01-10T00:00:00Z")
    place = hours.row_of("2024-01-09T14:00:00Z")

    # 14:00 holds 14:30 alone, 15:00 two half hours
    assert hours.close[0, place] == second.close[0, 0] and hours.volume[0, place] == 1e5
    assert hours.open[0, place + 1] == second.open[0, 1] and hours.close[0, place + 1] == second.close[0, 2]
    assert hours.volume[0, place + 1] == 2e5
    # the day in which the data begin, and the one in which they end, are not complete
    assert kept.resample("1d").close[0].tolist() == kept.close[0, 2 * DAY_SLOTS - 1 : -DAY_SLOTS : DAY_SLOTS].tolist()


def test_a_year_has_as_many_slots_as_there_were_in_the_sessions() -> None:
    kept = NEW_YORK.keep(stock("2023-01-02T00:00:00Z", "2024-12-31T00:00:00Z"))

    # 261 weekdays a year, 13 half hours each, less the two holidays of one of the two years
    assert kept.periods_per_year == pytest.approx((365.25 * 5 / 7 - 1) * DAY_SLOTS, rel=0.01)


@pytest.mark.parametrize("account", ["spot", "margin"])
def test_an_environment_steps_over_the_nights(account: str) -> None:
    env = TradingEnvironment(
        data=NEW_YORK.keep(stock()),
        symbols="SPY",
        timeframe="30m",
        feature_pipeline=["candles", "calendar", "time_to_end"],
        lookback_window=3,
        start_time="2024-02-16T00:00:00Z",
        end_time="2024-02-22T00:00:00Z",
        account=account,
        interpreted=True,
    )
    env.reset(seed=0)
    times: list[str] = []
    info: dict[str, Any] = {}
    for _ in range(DAY_SLOTS + 1):
        _, _, _, _, info = env.step(1)
        times.append(info["virtual_time"])

    assert info["total_steps"] == 3 * DAY_SLOTS
    assert times[0] == "2024-02-16T15:00:00Z"
    # Friday's close, then Tuesday: Monday was a holiday
    assert times[-2:] == ["2024-02-16T21:00:00Z", "2024-02-20T15:00:00Z"]
    check_trading_env(env)


def test_interest_is_due_for_the_night_as_well() -> None:
    candles = NEW_YORK.keep(stock(*HOLIDAY_WEEK))
    terms = MarginAccount(annual_borrow_rate=0.1)
    exchange = SimulatedExchange(candles, fee_rate=0.0, slippage="none", account=terms)
    exchange.reset("2024-01-12T20:30:00Z")
    exchange.submit([Order("SPY", "sell", 10.0)])
    exchange.match()
    borrowed = 10.0 * candles.close[0, candles.row_of("2024-01-12T20:30:00Z")]
    exchange.match()

    # from Friday 20:30 to Tuesday 14:30 are 90 hours
    found = float(exchange._open_state()[0].accounts[0].financing_paid)
    assert found == pytest.approx(0.1 * 90.0 / (365.25 * 24.0) * borrowed, rel=1e-9)


def test_what_slippage_calls_a_day_is_a_session() -> None:
    exchange = SimulatedExchange(NEW_YORK.keep(stock()), slippage="volume_share")
    (replayer,) = exchange.load()

    assert replayer.day_bars == DAY_SLOTS
    assert replayer.row_at(parse_time("2024-01-06T00:00:00Z")) < 0
    assert replayer.row_at(replayer.candles.end) == len(replayer)
    assert replayer.row_at(replayer.candles.end + HALF_HOUR) == len(replayer) + 1


def test_symbols_of_other_sessions_are_not_merged_in_silence() -> None:
    one = NEW_YORK.keep(stock(*HOLIDAY_WEEK))
    slots = grid(*HOLIDAY_WEEK)
    price = np.full(len(slots), 50.0)
    other = Candles.from_arrays("BTC", "30m", slots, price, price, price, price, price)

    with pytest.raises(DataError, match="the same sessions"):
        Candles.merge([one, other])
    both = NEW_YORK.keep(Candles.merge([stock(*HOLIDAY_WEEK), other]))
    assert both.symbols == ("SPY", "BTC") and len(both) == len(one)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"zone": "New York"}, "zone is an IANA name"),
        ({"opens": "9:30"}, "opens is a local time"),
        ({"closes": "24:00"}, "closes is a local time"),
        ({"weekdays": (7,)}, "weekdays are numbers from 0"),
        ({"weekdays": ()}, "weekdays are numbers from 0"),
        ({"holidays": ("25.12.2024",)}, "holidays are ISO dates"),
    ],
)
def test_a_bad_calendar_is_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        TradingCalendar(**arguments)


def test_data_without_a_session_are_refused_and_a_calendar_is_a_value() -> None:
    sunday = stock(*HOLIDAY_WEEK).between("2024-01-14T00:00:00Z", "2024-01-15T00:00:00Z")

    with pytest.raises(DataError, match="has a session of"):
        NEW_YORK.keep(sunday)
    assert eval(repr(NEW_YORK)) == NEW_YORK and hash(NEW_YORK) == hash(eval(repr(NEW_YORK)))
