"""Funding that changes from time to time, as a margin account pays it."""

import copy
from typing import Any

import numpy as np
import pytest

from small_worlds import HOUR, START, candles_of, play, random_candles, small_env
from tradeready_gym import TargetPosition
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment, check_trading_env
from tradeready_gym.errors import ConfigurationError, DataUnavailable
from tradeready_gym.exchanges import MarginAccount, SimulatedExchange
from tradeready_gym.live.market import GrowingReplayer, LiveExchange
from tradeready_gym.market import FundingRates, parse_time
from tradeready_gym.orders import Order

FLAT = [100.0] * 20
EVERY_8 = [(parse_time(START) + 8 * k * HOUR, 0.001 * (k + 1)) for k in range(40)]


def env_of(candles: Any, rates: Any, **arguments: Any) -> Any:
    account = MarginAccount(leverage=1.0, funding_rate=rates, **arguments.pop("account", {}))
    return small_env(candles, action_scheme=TargetPosition(positions=(-1.0, 0.0, 1.0)), account=account, **arguments)


def paid(env: Any, actions: list[int]) -> dict[str, float]:
    env.reset(seed=0)
    infos = [env.step(action)[4] for action in actions]
    return {info["virtual_time"][11:13]: info["financing_paid"] for info in infos}


def test_a_long_pays_the_rate_of_its_hour_at_the_open_of_that_candle() -> None:
    costs = paid(env_of(candles_of(FLAT), EVERY_8), [2] * 15)
    # held since 02:00; the steps that end at 09:00 and 17:00 begin at the funding times
    assert costs["08"] == 0.0
    assert costs["09"] == pytest.approx(10_000.0 * 0.002) and costs["16"] == costs["09"]
    assert costs["17"] == pytest.approx(10_000.0 * (0.002 + 0.003))


def test_a_short_receives_it() -> None:
    assert paid(env_of(candles_of(FLAT), EVERY_8), [0] * 10)["09"] == pytest.approx(-10_000.0 * 0.002)


def test_what_was_sold_before_the_hour_pays_nothing_and_what_is_sold_at_it_pays() -> None:
    assert paid(env_of(candles_of(FLAT), EVERY_8), [2] * 5 + [1] * 5)["09"] == 0.0
    assert paid(env_of(candles_of(FLAT), EVERY_8), [2] * 6 + [1] * 4)["09"] == pytest.approx(20.0)


def test_a_history_of_one_rate_is_the_rate_to_the_last_bit() -> None:
    candles, actions = random_candles(200, gaps=True), np.random.default_rng(1).integers(0, 3, 190).tolist()
    constant = [(time, 0.0003) for time, _ in EVERY_8]
    outcomes = [play(env_of(candles, rate), actions) for rate in (0.0003, constant)]
    for one, other in zip(*outcomes, strict=True):
        assert one[-1] == other[-1] and np.array_equal(one[0], other[0])


@pytest.mark.parametrize("hours", [8, None])
def test_compiled_interpreted_and_vector_give_the_same_bits(hours: int | None) -> None:
    random = np.random.default_rng(7)
    symbols = ("BTCUSDT", "ETHUSDT")
    candles = random_candles(120, symbols)
    rates = {name: [(time, random.normal(0.0, 1e-3)) for time, _ in EVERY_8] for name in symbols}
    arguments: dict[str, Any] = {
        "account": MarginAccount(funding_rate=rates, funding_hours=hours),
        # what the differential sweeps have compiled as well
        "action_scheme": "portfolio",
        "reward_scheme": "sharpe",
        "lookback_window": 2,
        "episode_length": 40,
    }
    actions = random.uniform(0.0, 1.0, (39, 3, 2)).astype(np.float32)
    vector = TradingVectorEnvironment(num_envs=3, data=candles, fee_rate=0.001, **arguments)
    vector.reset(seed=11)
    steps = [vector.step(action) for action in actions]
    financed = [step[4]["financing_paid"].copy() for step in steps]
    for i in range(3):
        for interpreted in (False, True):
            single = TradingEnvironment(data=candles, fee_rate=0.001, interpreted=interpreted, **arguments)
            outcomes = play(single, actions[:, i], seed=11 + i)[1:]
            for k, outcome in enumerate(outcomes):
                assert outcome[4]["financing_paid"] == financed[k][i] and outcome[1] == steps[k][1][i]
    assert np.abs(financed[-1]).min() > 0.0


def test_the_checker_adds_it_up_on_its_own() -> None:
    candles = random_candles(120)
    check_trading_env(env_of(candles, EVERY_8))


def test_the_checker_sees_rates_that_the_account_was_not_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    env = env_of(random_candles(120), EVERY_8)
    env.engine.funding *= 1.01
    with pytest.raises(AssertionError, match="make available_cash|make equity|financing_paid"):
        check_trading_env(env)


def test_an_exchange_alone_charges_it_at_a_persons_first_order() -> None:
    account = MarginAccount(leverage=1.0, funding_rate=EVERY_8)
    exchange = SimulatedExchange(candles_of(FLAT), fee_rate=0.0, slippage="none", account=account)
    exchange.reset(parse_time(START) + 7 * HOUR)
    exchange.submit([Order("BTCUSDT", "buy", 50.0)])
    exchange.match()
    exchange.mark()
    exchange.submit([Order("BTCUSDT", "sell", 50.0)])
    assert exchange.balance == pytest.approx(10_000.0 - 0.002 * 5_000.0)


def test_rates_are_needed_for_what_can_be_paid_and_for_nothing_else() -> None:
    candles = candles_of([100.0] * 60)
    with pytest.raises(DataUnavailable, match="2024-01-02T00:00:00Z"):
        env_of(candles, EVERY_8[:3])
    assert env_of(candles, EVERY_8[1:3], end_time="2024-01-02T00:00:00Z").reset(seed=0)
    assert paid(env_of(candles, FundingRates(EVERY_8[:2], missing="zero")), [2] * 20)["17"] == pytest.approx(20.0)


def test_each_of_several_data_sets_is_charged_by_its_own_times() -> None:
    later = random_candles(60)
    moved = type(later).from_arrays(
        "BTCUSDT",
        "1h",
        later.times + 100 * HOUR,
        *(getattr(later, n) for n in ("open", "high", "low", "close", "volume")),
    )
    env = env_of([random_candles(60, seed=3), moved], EVERY_8)
    check_trading_env(env)
    # row 60 is the first candle of the second market, before any episode
    charged = np.flatnonzero(env.engine.funding[:, 0]).tolist()
    assert [row for row in charged if row != 60] == list(range(8, 113, 8))


def test_the_rates_come_from_a_file_of_settings() -> None:
    pairs = [["2024-01-01T08:00:00Z", 0.001], ["2024-01-01T16:00:00Z", 0.002]]
    env = small_env(candles_of(FLAT), account={"funding_rate": pairs, "leverage": 1.0}, action_scheme="target_position")
    assert env.exchange.account == MarginAccount(leverage=1.0, funding_rate=pairs)


def test_an_account_with_a_history_is_a_value() -> None:
    account = MarginAccount(funding_rate=EVERY_8)
    assert account == MarginAccount(funding_rate=FundingRates(EVERY_8)) == copy.deepcopy(account)
    assert len({account, MarginAccount(funding_rate=EVERY_8[:5])}) == 2 and len(repr(account)) < 400


def test_settings_of_funding_that_contradict_one_another_are_refused() -> None:
    for wrong in ({"funding_hours": 24}, {"annual_borrow_rate": 0.1}, {"funding_hours": 5}):
        with pytest.raises(ConfigurationError):
            MarginAccount(funding_rate=EVERY_8, **wrong)
    with pytest.raises(ConfigurationError, match="divide 24, or be None with a history"):
        MarginAccount(funding_rate=0.0001, funding_hours=None)
    with pytest.raises(ConfigurationError, match="ETHUSDT has none"):
        SimulatedExchange("sample", symbols="ETHUSDT", account=MarginAccount(funding_rate={"BTCUSDT": EVERY_8}))


def test_a_live_account_takes_no_history() -> None:
    market = GrowingReplayer(candles_of(FLAT), 10)
    with pytest.raises(ConfigurationError, match="tomorrow's are not in it"):
        LiveExchange(market, lambda _: {}, account=MarginAccount(funding_rate=EVERY_8))
