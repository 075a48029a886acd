"""What holds for every market, every composition and every sequence of actions."""

import copy
import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from small_worlds import RAW, assert_same, candles_of, play
from tradeready_gym.actions import ContinuousOrder, HoldBuySell, PortfolioWeights, TargetPosition
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment, check_trading_env
from tradeready_gym.market import Candles
from tradeready_gym.rewards import SharpeReward, SortinoReward
from tradeready_gym.wrappers import RunningStatistics

EXAMPLES = settings(max_examples=50, deadline=None, derandomize=True)
BARS = 45
PORTFOLIO = PortfolioWeights(1e-9)


@st.composite
def markets(draw: st.DrawFn, symbols: int) -> Candles:
    """A market of any scale and temper, with gaps and with candles without trades."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    wild = draw(st.sampled_from([0.0, 1e-4, 0.02, 0.5]))
    level = draw(st.sampled_from([1e-6, 1.0, 3e4, 1e9]))
    shape = (symbols, BARS)
    volume = np.exp(random.normal(7.0, 2.0, shape))
    volume[random.random(shape) < draw(st.sampled_from([0.0, 0.2]))] = 0.0
    missing = np.flatnonzero(random.random(BARS) < draw(st.sampled_from([0.0, 0.1])))
    close = level * np.exp(np.cumsum(random.normal(0.0, wild, shape), axis=1))
    opening = np.concatenate([close[:, :1], close[:, :-1]], axis=1) * np.exp(random.normal(0.0, wild / 4, shape))
    names = ("AAAUSDT", "BBBUSDT")[:symbols]
    inside = missing[(missing > 0) & (missing < BARS - 1)].tolist()
    return candles_of(close, open=opening, volume=volume, symbols=names, missing=inside)


@st.composite
def compositions(draw: st.DrawFn) -> dict[str, Any]:
    """Any of the parts, with parameters from the edges of their domains."""
    schemes = [
        HoldBuySell(0.01),
        HoldBuySell(1.0),
        TargetPosition((0.0, 0.3, 1.0), 1e-9),
        ContinuousOrder(0.5),
        PORTFOLIO,
    ]
    scheme = draw(st.sampled_from(schemes))
    return {
        "data": draw(markets(2 if scheme is PORTFOLIO else 1)),
        "action_scheme": scheme,
        "reward_scheme": draw(
            st.sampled_from(["pnl", "log_return", SharpeReward(2), SortinoReward(3), "drawdown_penalty", "composite"])
        ),
        "slippage": draw(st.sampled_from(["none", "volume_share", "uniform", "square_root", 0.3])),
        "fee_rate": draw(st.sampled_from([0.0, 0.001, 0.2])),
        "starting_balance": draw(st.sampled_from([1e-3, 1e4, 1e10])),
        "fill_at": draw(st.sampled_from(["next_open", "close"])),
        "episode_end": draw(st.sampled_from(["documented", "gymnasium"])),
        "episode_length": draw(st.sampled_from([None, 1, 7])),
        "max_loss": draw(st.sampled_from([0.05, 0.9, 1.0])),
        "max_volume_share": draw(st.sampled_from([None, 1e-6])),
        "steps_per_action": draw(st.sampled_from([1, 4])),
        "flatten": draw(st.booleans()),
        "feature_pipeline": RAW,
        "lookback_window": 2,
        "interpreted": True,
    }


def actions_of(env: TradingEnvironment, count: int, seed: int) -> list[Any]:
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(count)]


@EXAMPLES
@given(compositions(), st.integers(0, 2**63))
def test_every_composition_passes_the_checker_in_every_market(arguments: dict[str, Any], seed: int) -> None:
    check_trading_env(TradingEnvironment(**arguments), seed=seed)


@EXAMPLES
@given(compositions(), st.integers(0, 2**62), st.sampled_from(["next_step", "same_step"]))
def test_every_vector_equals_its_single_environments(arguments: dict[str, Any], seed: int, mode: str) -> None:
    vector = TradingVectorEnvironment(num_envs=3, num_threads=2, autoreset_mode=mode, **{**arguments, "flatten": True})
    many = vector.reset(seed=seed)
    for i in range(3):
        single = TradingEnvironment(**{**arguments, "flatten": True})
        assert_same(many[0][i].copy(), single.reset(seed=seed + i)[0])
    singles = [TradingEnvironment(**{**arguments, "flatten": True}) for _ in range(3)]
    sequences = [actions_of(single, 12, seed % 1000 + i) for i, single in enumerate(singles)]
    for i, single in enumerate(singles):
        single.reset(seed=seed + i)
    for step in range(12):
        observations, rewards, terminated, truncated, infos = vector.step(np.array([s[step] for s in sequences]))
        for i, single in enumerate(singles):
            observation, reward, term, trunc, info = single.step(sequences[i][step])
            assert (float(rewards[i]), bool(terminated[i]), bool(truncated[i])) == (reward, term, trunc)
            if not (mode == "same_step" and (term or trunc)):
                assert_same(observations[i].copy(), observation)
                assert infos["equity"][i] == info["equity"]
        if terminated.any() or truncated.any():
            break
    vector.close()


@EXAMPLES
@given(compositions(), st.integers(0, 2**32), st.integers(0, 8))
def test_a_copy_at_any_step_goes_on_alike(arguments: dict[str, Any], seed: int, at: int) -> None:
    env = TradingEnvironment(**arguments)
    actions = actions_of(env, 20, seed)
    outcomes = play(env, actions[:at], seed)
    if len(outcomes) > at and not (at and (outcomes[-1][2] or outcomes[-1][3])):
        twin = copy.deepcopy(env)
        rest, again = [], []
        for action in actions[at:]:
            rest.append(env.step(action))
            again.append(twin.step(action))
            if rest[-1][2] or rest[-1][3]:
                break
        assert_same(rest, again)


@EXAMPLES
@given(compositions(), st.integers(0, 2**32))
def test_what_is_sold_was_held_and_what_is_spent_was_there(arguments: dict[str, Any], seed: int) -> None:
    env = TradingEnvironment(**arguments)
    held, lots = dict.fromkeys(env.exchange.symbols, 0.0), 0
    for outcome in play(env, actions_of(env, 45, seed), seed)[1:]:
        info = outcome[4]
        for fill in info["filled_orders"]:
            symbol, quantity = fill["symbol"], fill["quantity"]
            held[symbol] += quantity if fill["side"] == "buy" else -quantity
            assert held[symbol] >= -1e-9 * quantity
            held[symbol] = 0.0 if held[symbol] < 1e-12 * quantity else held[symbol]
            lots += 1
            assert fill["price"] > 0.0 and fill["quantity"] > 0.0 and fill["fee"] >= 0.0
        assert info["available_cash"] >= 0.0 and info["locked_cash"] == 0.0
        assert math.isfinite(outcome[1])
    if "episode_metrics" in info:
        assert info["episode_metrics"]["total_trades"] == lots


@EXAMPLES
@given(
    st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), min_size=1, max_size=10),
    st.floats(-1e9, 1e9),
)
def test_running_statistics_do_not_depend_on_how_they_were_fed(batches: list[list[float]], offset: float) -> None:
    values = np.concatenate([np.array(batch) for batch in batches]) + offset
    parts, whole = RunningStatistics(()), RunningStatistics(())
    for batch in batches:
        parts.update(np.array(batch) + offset)
    whole.update(values)
    scale = 1.0 + float(np.abs(values).max())

    assert parts.count == whole.count == len(values)
    assert abs(float(parts.mean) - float(values.mean())) <= 1e-12 * scale
    assert abs(float(parts.variance) - float(values.var())) <= 1e-9 * scale**2
    assert float(parts.variance) >= 0.0
