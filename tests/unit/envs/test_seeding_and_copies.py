"""Seeds, pickles and deep copies: the same episode again, from anywhere, independent of everything else."""

import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from small_worlds import RAW, assert_same, candles_of, drawn, play, random_candles, small_env
from tradeready_gym.actions import AccountView, CustomActionScheme
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges import CustomSlippage
from tradeready_gym.orders import Order
from tradeready_gym.rewards import CustomReward

RANDOM: dict[str, Any] = {"episode_length": 15, "slippage": "uniform", "fee_rate": 0.001, "reward_scheme": "sortino"}


class CountingReward(CustomReward):
    """Remembers how many steps it has seen."""

    def __init__(self) -> None:
        self.steps = 0

    def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
        self.steps += 1
        return curr_equity - prev_equity + self.steps

    def reset(self) -> None:
        self.steps = 0


class CountingScheme(CustomActionScheme):
    """Buys on every third action."""

    def __init__(self) -> None:
        self.actions = 0

    def action_space(self, symbols: int) -> Any:
        from gymnasium import spaces

        return spaces.Discrete(3)

    def orders(self, action: Any, account: AccountView) -> list[Order]:
        self.actions += 1
        return [Order(account.symbols[0], "buy", 1.0)] if self.actions % 3 == 0 else []

    def reset(self) -> None:
        self.actions = 0


class DrawnSlippage(CustomSlippage):
    """The compiled uniform model in plain Python."""

    def fraction(self, value: float, quote_volume: float, volatility: float, draw: float) -> float:
        return 0.001 * draw


ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "compiled parts": RANDOM,
    "python reward": {**RANDOM, "reward_scheme": CountingReward()},
    "python scheme": {**RANDOM, "action_scheme": CountingScheme()},
    "python slippage": {**RANDOM, "slippage": DrawnSlippage()},
    "a dictionary": {**RANDOM, "flatten": False},
}


# ---- seeds ----


def test_a_seed_brings_back_the_episode() -> None:
    env = small_env(random_candles(80), **RANDOM)
    actions = drawn(env, 15)

    assert_same(play(env, actions, seed=3), play(env, actions, seed=3))
    assert play(env, actions, seed=3)[0][1]["virtual_time"] != play(env, actions, seed=4)[0][1]["virtual_time"]


def test_episodes_after_a_seeded_one_follow_from_it() -> None:
    env = small_env(random_candles(80), **RANDOM)
    times = [env.reset(seed=3)[1]["virtual_time"]] + [env.reset()[1]["virtual_time"] for _ in range(6)]
    again = [env.reset(seed=3)[1]["virtual_time"]] + [env.reset()[1]["virtual_time"] for _ in range(6)]

    assert times == again
    assert len(set(times)) > 3


def test_what_is_done_in_an_episode_does_not_move_the_next() -> None:
    one, two = small_env(random_candles(80), **RANDOM), small_env(random_candles(80), **RANDOM)
    play(one, [1, 0, 2] * 9, seed=5)
    play(two, [0], seed=5)

    assert_same(play(one, [1, 0, 2] * 3, seed=None), play(two, [1, 0, 2] * 3, seed=None))


def test_without_a_seed_environments_differ_and_np_random_supplies_it() -> None:
    starts = set()
    for _ in range(12):
        starts.add(small_env(random_candles(300), **RANDOM).reset()[1]["virtual_time"])
    assert len(starts) > 2

    env, twin = small_env(random_candles(300), **RANDOM), small_env(random_candles(300), **RANDOM)
    env.np_random = np.random.default_rng(9)
    twin.np_random = np.random.default_rng(9)
    assert_same(env.reset(), twin.reset())


def test_starts_cover_the_whole_span_and_nothing_else() -> None:
    env = small_env(random_candles(20), episode_length=10)
    rows = set()
    for seed in range(400):
        env.reset(seed=seed)
        rows.add(int(env.engine.state.accounts["row"][0]))

    assert rows == set(range(2, 11))


def test_large_seeds_are_seeds() -> None:
    env = small_env(random_candles(80), **RANDOM)

    assert_same(env.reset(seed=2**63 + 5), env.reset(seed=2**63 + 5))
    assert env.reset(seed=2**63 + 5)[1] != env.reset(seed=2**63 + 6)[1]


@pytest.mark.parametrize("seed", [-1, 1.5, "7", True, [7, None, "x"], [7, -1, 3], [1, 2], {"a": 1}])
def test_what_is_no_seed_of_a_vector_is_refused_and_nothing_begins_anew(seed: Any) -> None:
    env = TradingVectorEnvironment(data=random_candles(80), feature_pipeline=RAW, num_envs=3, **RANDOM)
    env.reset(seed=5)
    env.step(np.ones(3, np.int64))
    then = env.engine.state.accounts["seed"].tolist(), env.engine.state.accounts["row"].tolist()
    with pytest.raises(ConfigurationError, match=r"seed (is|must be) an integer"):
        env.reset(seed=seed)

    assert then == (env.engine.state.accounts["seed"].tolist(), env.engine.state.accounts["row"].tolist())


@pytest.mark.parametrize("seed", [-1, 1.5, "7"])
def test_what_is_no_seed_is_refused(seed: Any) -> None:
    import gymnasium

    with pytest.raises((gymnasium.error.Error, TypeError, ValueError)):
        small_env(random_candles(80), **RANDOM).reset(seed=seed)


# ---- the same everywhere ----

SCRIPT = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from small_worlds import RAW, play, random_candles
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment

common = dict(data=random_candles(70, gaps=True), lookback_window=2, feature_pipeline=RAW, episode_length=9,
              slippage="uniform", reward_scheme="sharpe")
digest = hashlib.sha256()
single = TradingEnvironment(**common)
for outcome in play(single, [1, 0, 2, 1, 1, 0, 2, 0, 1], seed=5):
    digest.update(outcome[0].tobytes() + json.dumps(outcome[1:], sort_keys=True).encode())
vector = TradingVectorEnvironment(num_envs=5, num_threads=int(sys.argv[2]), autoreset_mode="same_step", **common)
for outcome in play(vector, list(np.random.default_rng(0).integers(0, 3, (40, 5))), seed=5):
    digest.update(b"".join(np.asarray(part).tobytes() for part in outcome[:-1]))
    digest.update(np.asarray(outcome[-1]["filled_orders"]).tobytes() + outcome[-1]["equity"].tobytes())
print(digest.hexdigest())
"""


def test_other_processes_hash_seeds_and_thread_counts_give_the_same_bits() -> None:
    tests = str(Path(__file__).resolve().parents[2])
    seen = set()
    for hash_seed, threads in (("0", "1"), ("4242", "3")):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, tests, threads], env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        seen.add(done.stdout.strip().splitlines()[-1])

    assert len(seen) == 1


# ---- pickles and copies ----


@pytest.mark.parametrize("name", sorted(ENVIRONMENTS))
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"])
def test_a_copy_in_mid_episode_goes_on_like_its_original_and_on_its_own(copied: Any, name: str) -> None:
    env = small_env(random_candles(80), **ENVIRONMENTS[name])
    play(env, [1, 0, 2, 1, 1, 0], seed=8)
    twin, third = copied(env), copied(env)
    rest = [1, 2, 0, 1, 1, 0]
    expected = [env.step(action) for action in rest]

    for action in (2, 2, 1, 1):
        third.step(action)
    assert_same(expected, [twin.step(action) for action in rest])
    assert_same(play(env, rest, seed=None), play(twin, rest, seed=None))


def test_a_copy_before_the_first_reset_is_a_fresh_environment() -> None:
    env = small_env(random_candles(80), **RANDOM)
    twin = copy.deepcopy(env)

    assert_same(play(env, [1, 0, 2], seed=1), play(twin, [1, 0, 2], seed=1))


def test_the_exchange_of_a_copy_trades_in_the_copy() -> None:
    env = small_env(candles_of(np.full(30, 100.0)))
    env.reset(seed=0)
    env.exchange.submit([Order("BTCUSDT", "buy", 2.0, type="limit", price=90.0)])
    twin = copy.deepcopy(env)
    env.exchange.submit([Order("BTCUSDT", "buy", 5.0)])

    assert twin.exchange.portfolio == {}
    assert len(twin.exchange.open_orders) == 1
    twin.exchange.submit([Order("BTCUSDT", "buy", 1.0)])
    assert (env.exchange.portfolio, twin.exchange.portfolio) == ({"BTCUSDT": 5.0}, {"BTCUSDT": 1.0})
    assert len(twin.exchange.trades) == 1
    twin.exchange.cancel(twin.exchange.open_orders[0]["order_id"])
    assert len(env.exchange.open_orders) == 1


def test_a_copy_shares_the_candles_and_the_feature_table() -> None:
    env = small_env(random_candles(80))
    twin = copy.deepcopy(env)

    assert twin.engine.table is env.engine.table
    assert twin.engine.rows is env.engine.rows


def test_a_pickle_goes_to_another_process(tmp_path: Path) -> None:
    env = TradingEnvironment(
        data=random_candles(70), interpreted=True, lookback_window=2, feature_pipeline=RAW, slippage="uniform"
    )
    play(env, [1, 0, 1], seed=2)
    (tmp_path / "env.pickle").write_bytes(pickle.dumps(env))
    script = (
        "import json, pickle, sys, pathlib\n"
        "env = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "print(json.dumps([env.step(a)[1:] for a in (2, 1, 0)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "env.pickle")],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert json.loads(done.stdout) == json.loads(json.dumps([env.step(a)[1:] for a in (2, 1, 0)]))


# ---- reset reaches every child ----


def test_reset_cleans_whatever_an_episode_has_left() -> None:
    """Every child is made dirty: account, book, locks, volume, rewards, schemes, statistics, history, the exchange's view."""
    arguments: dict[str, Any] = {
        **RANDOM,
        "action_scheme": CountingScheme(),
        "reward_scheme": CountingReward(),
        "slippage": DrawnSlippage(),
        "max_volume_share": 0.01,
        "episode_length": 40,
    }
    used, fresh = (small_env(random_candles(80, gaps=True), **arguments) for _ in range(2))
    for seed in range(3):
        used.reset(seed=seed)
        for step in range(12):
            used.step(1)
            close = float(used.engine.rows["close"][used.engine.state.accounts["row"][0] - 1, 0])
            used.exchange.submit(
                [
                    Order(
                        "BTCUSDT",
                        "buy",
                        1.0,
                        type="limit",
                        price=0.99 * close,
                        stop_price=0.9 * close,
                        take_price=1.2 * close,
                    ),
                    Order("BTCUSDT", "buy", 0.5, type="stop_loss", price=1.5 * close),
                    Order("BTCUSDT", "sell", 1e9),
                    Order("BTCUSDT", "buy", 0.1 + step / 100.0),
                ]
            )
    assert used.exchange.open_orders and used.exchange.trades

    assert_same(play(used, [1, 0, 2] * 9, seed=11), play(fresh, [1, 0, 2] * 9, seed=11))
    assert used.exchange.open_orders == fresh.exchange.open_orders == []
    assert_same(used.exchange.trades, fresh.exchange.trades)
    assert_same(used.exchange.performance, fresh.exchange.performance)


def test_the_original_components_are_never_touched() -> None:
    reward, scheme = CountingReward(), CountingScheme()
    play(small_env(random_candles(80), reward_scheme=reward, action_scheme=scheme), [1] * 20)
    play(
        TradingVectorEnvironment(
            data=random_candles(80), num_envs=2, reward_scheme=reward, action_scheme=scheme, interpreted=True
        ),
        [np.array([1, 1])] * 20,
    )

    assert (reward.steps, scheme.actions) == (0, 0)
