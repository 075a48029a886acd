"""TradingEnvironment: time, money and flags of single steps, by hand."""

import json
from typing import Any

import gymnasium
import numpy as np
import pytest

from small_worlds import HOUR, RAW, assert_same, candles_of, play, random_candles, small_env
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import ResetNeeded
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.orders import Order

PRICES = [100.0, 100.0, 110.0, 121.0, 108.9, 108.9]


# ---- one episode by hand ----


def test_every_number_of_an_episode_can_be_computed_by_hand() -> None:
    env = small_env(candles_of(PRICES, open=PRICES), fee_rate=0.01, action_scheme="target_position")
    _, info = env.reset(seed=0)
    assert (info["equity"], info["step"], info["virtual_time"]) == (10_000.0, 0, "2024-01-01T02:00:00Z")

    _, reward, terminated, truncated, info = env.step(1)
    quantity = 10_000.0 / (110.0 * 1.01)
    fee = 0.01 * 110.0 * quantity
    assert info["filled_orders"] == [
        {
            "order_id": 1,
            "symbol": "BTCUSDT",
            "side": "buy",
            "type": "market",
            "quantity": pytest.approx(quantity, rel=1e-15),
            "price": 110.0,
            "fee": pytest.approx(fee, rel=1e-15),
            "slippage_pct": 0.0,
            "realized_pnl": 0.0,
            "filled_at": "2024-01-01T02:00:00Z",
        }
    ]
    assert info["equity"] == pytest.approx(110.0 * quantity)
    assert reward == pytest.approx(-fee)
    assert (terminated, truncated) == (False, False)
    assert (info["virtual_time"], info["progress_pct"]) == ("2024-01-01T03:00:00Z", 25.0)

    _, reward, _, _, info = env.step(1)
    assert info["unrealized_pnl"] == pytest.approx(11.0 * quantity)
    assert reward == pytest.approx(11.0 * quantity)

    _, reward, _, _, info = env.step(0)
    assert info["realized_pnl"] == pytest.approx((108.9 - 110.0) * quantity)
    assert info["fees_paid"] == pytest.approx(fee + 0.01 * 108.9 * quantity)
    assert (info["position_value"], info["available_cash"]) == (0.0, info["equity"])

    _, reward, terminated, truncated, info = env.step(0)
    assert (reward, terminated, truncated, info["progress_pct"]) == (0.0, True, False, 100.0)
    assert info["episode_metrics"]["roi_pct"] == pytest.approx(100.0 * (info["equity"] / 10_000.0 - 1.0))


def test_the_first_decision_is_made_at_the_start_time_on_closed_candles_only() -> None:
    closes = np.arange(100.0, 130.0)
    env = small_env(candles_of(closes), start_time="2024-01-01T10:00:00Z", flatten=False)

    observation, info = env.reset(seed=0)

    assert info["virtual_time"] == "2024-01-01T10:00:00Z"
    # the candle that begins at 10:00 is row 10; what can be seen are rows 8 and 9
    assert observation["window"][0, :, 3].tolist() == [108.0, 109.0]


def test_an_episode_covers_the_slots_from_start_to_end_gaps_included() -> None:
    candles = candles_of(np.arange(100.0, 140.0), missing=[15, 16])
    env = small_env(candles, start_time="2024-01-01T10:00:00Z", end_time="2024-01-01T20:00:00Z")

    outcomes = play(env, [0] * 99)

    assert len(outcomes) == 11
    assert outcomes[-1][4]["virtual_time"] == "2024-01-01T20:00:00Z"
    assert outcomes[-1][2:4] == (True, False)


def test_a_market_order_in_a_gap_is_rejected_and_changes_nothing() -> None:
    candles = candles_of([100.0, 100.0, 100.0, 105.0, 110.0], missing=[2])
    info = play(small_env(candles), [1])[-1][4]

    assert [(r["reason"], r["side"]) for r in info["rejected_orders"]] == [("market_closed", "buy")]
    assert (info["equity"], info["available_cash"], info["filled_orders"]) == (10_000.0, 10_000.0, [])


def test_flat_and_dictionary_hold_the_same_numbers() -> None:
    candles = random_candles(60, ("AAAUSDT", "BBBUSDT"))
    arguments: dict[str, Any] = {"action_scheme": "portfolio", "lookback_window": 3}
    flat, parts = small_env(candles, **arguments), small_env(candles, flatten=False, **arguments)
    actions = [np.array([0.4, 0.3]), np.array([0.0, 1.0])] * 5

    for one, two in zip(play(flat, actions), play(parts, actions), strict=True):
        assert two[0]["window"].shape == (2, 3, 5)
        assert two[0]["account"].shape == (4,)
        assert_same(one[0], np.concatenate([two[0]["window"].reshape(-1), two[0]["account"]]))


def test_columns_come_in_the_order_in_which_they_are_named() -> None:
    candles = random_candles(60)
    env = small_env(candles, feature_pipeline=["unrealized_pnl", "volume", "balance", "returns"], flatten=False)
    observation = env.reset(seed=0)[0]

    assert env.feature_pipeline.column_names == ("volume", "returns")
    assert observation["window"][0, -1, 0] == np.float32(candles.volume[0, 2])
    assert observation["account"].tolist() == [0.0, 1.0]


def test_account_scalars_are_shares() -> None:
    candles = candles_of([100.0, 100.0, 100.0, 120.0, 120.0])
    observation, _, _, _, info = play(small_env(candles, flatten=False), [1, 0])[-1]

    balance, position, unrealized = observation["account"].tolist()
    assert balance == np.float32(info["available_cash"] / 10_000.0)
    assert position == np.float32(info["position_value"] / info["equity"])
    assert unrealized == np.float32(info["unrealized_pnl"] / info["equity"])


def test_raw_candles_and_the_account_are_observed_when_nothing_is_named() -> None:
    env = TradingEnvironment(data=random_candles(60), interpreted=True)

    assert repr(env.feature_pipeline) == f"FeaturePipeline({list(RAW)})"


def test_several_data_sets_are_drawn_by_episode() -> None:
    env = small_env([candles_of(np.full(40, 50.0)), candles_of(np.full(60, 70.0))], symbols=("BTCUSDT",))
    seen = {float(env.reset(seed=seed)[0][3]): play(env, [0], seed=seed)[0][1]["total_steps"] for seed in range(20)}

    assert seen == {50.0: 38, 70.0: 58}


# ---- the end ----


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        ({}, (True, False)),
        ({"episode_end": "gymnasium"}, (False, True)),
        ({"end_time": "2024-01-01T12:00:00Z"}, (True, False)),
        ({"episode_length": 18}, (True, False)),
    ],
)
def test_the_end_of_the_span_terminates_or_by_gymnasiums_reading_truncates(
    arguments: dict[str, Any], flags: tuple[bool, bool]
) -> None:
    assert play(small_env(random_candles(20), **arguments), [0] * 30)[-1][2:4] == flags


@pytest.mark.parametrize("episode_end", ["documented", "gymnasium"])
def test_a_random_window_that_ends_before_the_data_truncates(episode_end: str) -> None:
    env = small_env(random_candles(20), episode_length=5, episode_end=episode_end)
    ends = {outcome[4]["virtual_time"]: outcome[2:4] for s in range(60) for outcome in [play(env, [0] * 9, s)[-1]]}

    of_the_data = ends.pop("2024-01-01T20:00:00Z")
    assert of_the_data == ((True, False) if episode_end == "documented" else (False, True))
    assert len(ends) == 13
    assert set(ends.values()) == {(False, True)}


@pytest.mark.parametrize(("mode", "flags"), [("documented", (False, True)), ("gymnasium", (True, False))])
def test_ruin_ends_the_episode(mode: str, flags: tuple[bool, bool]) -> None:
    candles = candles_of([100.0, 100.0, 100.0, 50.0, 10.1, 9.9, 9.0, 9.0])
    env = small_env(candles, action_scheme="target_position", episode_end=mode)

    outcomes = play(env, [1] * 6)

    assert [outcome[2:4] for outcome in outcomes[1:]] == [(False, False)] * 3 + [flags]
    assert outcomes[-1][4]["equity"] <= 0.1 * 10_000.0


def test_exactly_the_allowed_loss_is_ruin() -> None:
    candles = candles_of([64.0, 64.0, 64.0, 32.0, 32.0, 32.0])
    env = small_env(candles, action_scheme="target_position", max_loss=0.5, starting_balance=6_400.0)

    assert play(env, [1] * 4)[-1][2:4] == (False, True)


def test_both_flags_may_be_true() -> None:
    candles = candles_of([100.0, 100.0, 100.0, 5.0])

    assert play(small_env(candles, action_scheme="target_position"), [1, 1])[-1][2:4] == (True, True)


def test_nothing_is_sold_by_force_at_the_end() -> None:
    info = play(small_env(random_candles(30)), [1] * 40)[-1][4]

    assert info["position_value"] > 0.0


def test_metrics_come_with_the_last_info_only() -> None:
    outcomes = play(small_env(random_candles(30)), [1, 0, 2] * 20)

    assert ["episode_metrics" in outcome[-1] for outcome in outcomes] == [False] * 28 + [True]
    assert outcomes[-1][4]["episode_metrics"]["total_trades"] == sum(len(o[4]["filled_orders"]) for o in outcomes[1:])
    json.dumps(outcomes[-1][4], allow_nan=False)


def test_a_step_before_the_reset_or_after_the_end_says_what_to_do() -> None:
    env = small_env(random_candles(20))
    for kind in (ResetNeeded, gymnasium.error.ResetNeeded, RuntimeError):
        with pytest.raises(kind, match=r"call reset\(\) before step\(\)"):
            env.step(0)

    last = play(env, [1] * 30)[-1][4]
    with pytest.raises(ResetNeeded, match="the episode is over"):
        env.step(0)
    assert env.exchange.net_worth == last["equity"]
    assert len(play(env, [1] * 30)) == 19


# ---- orders of a person between two steps ----


def test_an_order_between_two_steps_is_reported_once_by_the_next_step() -> None:
    env = small_env(candles_of(PRICES, open=PRICES))
    env.reset(seed=0)

    (answer,) = env.exchange.submit([Order("BTCUSDT", "buy", 10.0)])
    assert (answer["status"], answer["price"]) == ("filled", 110.0)
    first, second = env.step(0)[4], env.step(0)[4]

    assert [fill["order_id"] for fill in first["filled_orders"]] == [answer["order_id"]]
    assert second["filled_orders"] == []
    assert env.exchange.trades == first["filled_orders"]


def test_the_history_of_the_exchange_is_not_what_infos_hand_out() -> None:
    env = small_env(candles_of(PRICES))
    env.reset(seed=0)
    info = env.step(1)[4]
    kept = [dict(fill) for fill in info["filled_orders"]]
    info["filled_orders"][0].clear()
    info["filled_orders"].clear()

    assert env.exchange.trades == kept


def test_an_order_that_is_refused_between_two_steps_is_reported_too() -> None:
    env = small_env(candles_of(PRICES))
    env.reset(seed=0)
    (answer,) = env.exchange.submit([Order("BTCUSDT", "sell", 1.0)])

    assert (answer["status"], answer["reason"]) == ("rejected", "insufficient_position")
    assert [r["reason"] for r in env.step(0)[4]["rejected_orders"]] == ["insufficient_position"]


def test_the_reward_covers_what_was_done_since_the_last_step() -> None:
    env = small_env(candles_of([100.0, 100.0, 150.0, 150.0], open=[100.0, 100.0, 120.0, 150.0]), fee_rate=0.01)
    env.reset(seed=0)
    env.exchange.submit([Order("BTCUSDT", "buy", 10.0)])

    _, reward, _, _, info = env.step(0)

    assert reward == pytest.approx(10.0 * (150.0 - 120.0) - 12.0)
    assert info["equity"] == pytest.approx(10_000.0 + reward)


def test_the_exchange_shows_the_account_of_the_environment() -> None:
    env = small_env(candles_of(PRICES))
    info = play(env, [1, 1])[-1][4]

    assert env.exchange.balance == info["available_cash"]
    assert env.exchange.net_worth == info["equity"]
    assert set(env.exchange.portfolio) == {"BTCUSDT"}
    assert len(env.exchange.trades) == 2
    assert env.exchange.performance["equity"].tolist()[-1] == info["equity"]
    assert len(env.exchange.performance["equity"]) == 3


def test_an_exchange_can_be_given_instead_of_its_shorthands() -> None:
    candles = random_candles(60)
    given = TradingEnvironment(
        SimulatedExchange(candles, fee_rate=0.002, slippage="none"), lookback_window=2, interpreted=True
    )
    short = TradingEnvironment(data=candles, fee_rate=0.002, slippage="none", lookback_window=2, interpreted=True)

    assert_same(play(given, [1, 0, 2] * 5), play(short, [1, 0, 2] * 5))


def test_two_environments_on_one_exchange_object_do_not_share_money() -> None:
    exchange = SimulatedExchange(random_candles(60), slippage="none")
    one = TradingEnvironment(exchange, lookback_window=2, interpreted=True)
    two = TradingEnvironment(exchange, lookback_window=2, interpreted=True)
    alone = play(
        TradingEnvironment(SimulatedExchange(random_candles(60), slippage="none"), lookback_window=2, interpreted=True),
        [1] * 5,
    )
    one.reset(seed=0)
    two.reset(seed=0)

    interleaved = []
    for _ in range(5):
        interleaved.append(one.step(1))
        two.step(0)
    assert_same(interleaved, alone[1:])
    assert one.exchange.portfolio != two.exchange.portfolio


def test_no_slippage_is_no_slippage() -> None:
    candles = random_candles(60)

    for none in (None, "none", 0.0):
        env = TradingEnvironment(data=candles, slippage=none, lookback_window=2, interpreted=True)
        assert play(env, [1])[-1][4]["filled_orders"][0]["slippage_pct"] == 0.0


# ---- cost of many and of long episodes ----


def test_times_of_a_long_history_are_formatted_right_everywhere() -> None:
    candles = random_candles(2_500)
    env = small_env(candles)
    times = [outcome[-1]["virtual_time"] for outcome in play(env, [0] * 2_600)]

    wanted = [
        str(np.datetime64(int(candles.times[2]) + k * HOUR, "us").astype("datetime64[s]")) + "Z" for k in range(2_499)
    ]
    assert times == wanted
