"""TradingVectorEnvironment: sub-environment i is the single environment with seed + i, bit for bit."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode

from small_worlds import RAW, assert_same, play, random_candles
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.envs.trading import TradingEnvironment as Single
from tradeready_gym.market import format_time
from tradeready_gym.orders import REJECT_NAMES, SIDE_NAMES, TYPE_NAMES
from tradeready_gym.rewards import CustomReward

CANDLES = random_candles(70, gaps=True)
COMMON: dict[str, Any] = {
    "data": CANDLES,
    "lookback_window": 2,
    "feature_pipeline": RAW,
    "episode_length": 9,
    "slippage": "uniform",
    "reward_scheme": "sharpe",
}
INTERPRETED: dict[str, Any] = {**COMMON, "interpreted": True}
MODES = ("next_step", "same_step", "disabled")
MONEY = ("equity", "available_cash", "position_value", "unrealized_pnl", "locked_cash", "realized_pnl", "fees_paid")


def fills_of(infos: dict[str, Any], i: int, symbols: tuple[str, ...], env: Any) -> list[dict[str, Any]]:
    """The fills of sub-environment i as the single environment words them."""
    return [
        {
            "order_id": int(fill["order_id"]),
            "symbol": symbols[fill["symbol"]],
            "side": SIDE_NAMES[int(fill["side"])],
            "type": TYPE_NAMES[int(fill["kind"])],
            "quantity": float(fill["quantity"]),
            "price": float(fill["price"]),
            "fee": float(fill["fee"]),
            "slippage_pct": 100.0 * float(fill["slippage"]),
            "realized_pnl": float(fill["realized_pnl"]),
            "filled_at": format_time(int(env.engine.times[fill["row"]])),
        }
        for fill in infos["filled_orders"]
        if fill["env"] == i
    ]


def assert_sub_environment(infos: dict[str, Any], i: int, single: dict[str, Any], env: Any) -> None:
    """The infos of sub-environment i say what the single environment's info says."""
    for name in MONEY:
        assert infos[name][i] == single[name] and infos[f"_{name}"][i]
    assert format_time(int(infos["virtual_time"][i])) == single["virtual_time"]
    for name in ("step", "total_steps", "progress_pct"):
        assert infos[name][i] == single[name]
    assert_same(fills_of(infos, i, env.engine.symbols, env), single["filled_orders"])
    rejects = [REJECT_NAMES[int(r["reason"])] for r in infos["rejected_orders"] if r["env"] == i]
    assert rejects == [reject["reason"] for reject in single["rejected_orders"]]
    if "episode_metrics" in single:
        assert infos["_episode_metrics"][i]
        for name, value in single["episode_metrics"].items():
            metric = infos["episode_metrics"][name][i]
            assert (value is None and np.isnan(metric)) or metric == value


def actions_for(count: int, steps: int, seed: int = 0) -> list[Any]:
    return list(np.random.default_rng(seed).integers(0, 3, (steps, count)))


class Restless(CustomReward):
    """Plain Python, with a memory: pays the number of the step, less for every fill of the episode."""

    def __init__(self) -> None:
        self.steps = self.fills = 0

    def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
        self.steps += 1
        self.fills += len(info["filled_orders"])
        return self.steps - 0.1 * self.fills + curr_equity - prev_equity

    def reset(self) -> None:
        self.steps = self.fills = 0


class Walker:
    """A single environment under an autoreset mode, stepped as a sub-environment should be."""

    def __init__(self, mode: str, seed: int, **arguments: Any) -> None:
        self.mode, self.over = mode, False
        self.env = TradingEnvironment(**arguments)
        self.first = self.env.reset(seed=seed)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Any, Any]:
        """Observation, reward, flags, info, and the last (observation, info) of an episode that ended."""
        if self.over and self.mode == "next_step":
            self.over = False
            observation, info = self.env.reset()
            return observation, 0.0, False, False, info, None
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.over = terminated or truncated
        if self.over and self.mode == "same_step":
            self.over = False
            last = (observation, info)
            observation, info = self.env.reset()
            return observation, reward, terminated, truncated, info, last
        return observation, reward, terminated, truncated, info, None


PLAYED: dict[str, dict[str, Any]] = {
    "windows": COMMON,
    "ruin": {**COMMON, "max_loss": 0.003},
    "a reward in plain Python": {**INTERPRETED, "reward_scheme": Restless()},
    "several candles for an action": {**INTERPRETED, "reward_scheme": Restless(), "steps_per_action": 2},
}


@pytest.mark.parametrize("arguments", PLAYED.values(), ids=PLAYED)
@pytest.mark.parametrize("mode", MODES)
def test_every_sub_environment_is_the_single_environment_of_its_seed(mode: str, arguments: dict[str, Any]) -> None:
    count = 5
    vector = TradingVectorEnvironment(num_envs=count, autoreset_mode=mode, **arguments)
    walkers = [Walker(mode, 11 + i, **arguments) for i in range(count)]
    observations, infos = vector.reset(seed=11)
    for i, walker in enumerate(walkers):
        assert_same(observations[i], walker.first[0])
        assert_sub_environment(infos, i, walker.first[1], vector)
    ended = 0

    for actions in actions_for(count, 60):
        over = np.array([walker.over for walker in walkers])
        if mode == "disabled" and over.any():
            observations, infos = vector.reset(options={"reset_mask": over})
            for i in np.flatnonzero(over).tolist():
                walkers[i].over = False
                observation, info = walkers[i].env.reset()
                assert_same(observations[i], observation)
                assert_sub_environment(infos, i, info, vector)
        observations, rewards, terminated, truncated, infos = vector.step(actions)
        for i, walker in enumerate(walkers):
            observation, reward, term, trunc, info, last = walker.step(actions[i])
            assert_same(observations[i], observation)
            assert (rewards[i], terminated[i], truncated[i]) == (reward, term, trunc)
            ended += term or trunc
            if last is None:
                assert_sub_environment(infos, i, info, vector)
                assert "final_obs" not in infos or not infos["_final_obs"][i]
            else:
                assert infos["_final_obs"][i] and infos["_final_info"][i]
                assert_same(infos["final_obs"][i], last[0])
                assert_sub_environment(infos["final_info"], i, last[1], vector)
                for name in (*MONEY, "step", "total_steps", "progress_pct"):
                    assert infos[name][i] == info[name]
                assert fills_of(infos, i, vector.engine.symbols, vector) == []
    assert ended > 10


@pytest.mark.parametrize("mode", MODES[:2])
def test_threads_change_no_bit(mode: str) -> None:
    played = [
        play(
            TradingVectorEnvironment(num_envs=7, num_threads=threads, autoreset_mode=mode, **COMMON), actions_for(7, 40)
        )
        for threads in (1, 2, 3, 50)
    ]

    for other in played[1:]:
        assert_same(played[0], other)


def test_a_sub_environment_does_not_know_how_many_there_are() -> None:
    actions = actions_for(6, 40)
    large = play(TradingVectorEnvironment(num_envs=6, **COMMON), actions, seed=20)
    small = play(TradingVectorEnvironment(num_envs=2, **COMMON), [a[3:5] for a in actions], seed=23)

    for many, few in zip(large, small, strict=True):
        assert_same(many[0][3:5].copy(), few[0])
        if len(many) == 5:
            assert_same(many[1][3:5].copy(), few[1].copy())


def test_compiled_and_interpreted_vectors_agree_to_the_bit() -> None:
    actions = actions_for(3, 40)

    assert_same(
        play(TradingVectorEnvironment(num_envs=3, **COMMON), actions),
        play(TradingVectorEnvironment(num_envs=3, **INTERPRETED), actions),
    )


def test_observations_are_fresh_arrays() -> None:
    env = TradingVectorEnvironment(num_envs=2, **INTERPRETED)
    first = env.reset(seed=0)[0]
    kept = first.copy()
    second = env.step(np.array([1, 1]))[0]

    assert not np.shares_memory(first, second)
    assert_same(first, kept)


def test_without_copies_every_step_returns_the_same_array_overwritten() -> None:
    fresh = TradingVectorEnvironment(num_envs=2, **INTERPRETED)
    reused = TradingVectorEnvironment(num_envs=2, copy=False, **INTERPRETED)
    actions = actions_for(2, 30)
    outcomes = [fresh.reset(seed=0)[0]]
    array = reused.reset(seed=0)[0]
    assert_same(outcomes[0], array.copy())

    for action in actions:
        wanted, found = fresh.step(action), reused.step(action)
        assert found[0] is array or np.shares_memory(found[0], array)
        assert_same(wanted[0], found[0].copy())
        assert_same(wanted[1], found[1])


def test_rewards_flags_and_infos_are_not_overwritten_either() -> None:
    env = TradingVectorEnvironment(num_envs=3, copy=False, autoreset_mode="same_step", **INTERPRETED)
    env.reset(seed=0)
    kept, then = [], []
    for action in actions_for(3, 30):
        outcome = env.step(action)[1:]
        kept.append(outcome)
        then.append(copy.deepcopy(outcome))

    assert_same(kept, then)


def test_the_same_step_mode_reports_the_fills_of_the_last_step_in_the_final_info() -> None:
    env = TradingVectorEnvironment(num_envs=2, autoreset_mode="same_step", **INTERPRETED)
    env.reset(seed=0)
    for _ in range(8):
        env.step(np.array([0, 0]))

    infos = env.step(np.array([1, 1]))[4]

    assert infos["_final_info"].all()
    assert sorted(infos["final_info"]["filled_orders"]["env"]) == [0, 1]
    assert len(infos["filled_orders"]) == 0


def test_a_masked_reset_leaves_the_others_alone() -> None:
    env, twin = (TradingVectorEnvironment(num_envs=3, autoreset_mode="disabled", **INTERPRETED) for _ in range(2))
    play(env, actions_for(3, 5))
    play(twin, actions_for(3, 5))
    before = env.step(np.array([1, 1, 1]))
    twin.step(np.array([1, 1, 1]))

    observations, infos = env.reset(options={"reset_mask": np.array([False, True, False])})

    assert_same(observations[[0, 2]], before[0][[0, 2]])
    assert infos["step"].tolist() == [6, 0, 6]
    assert_same(env.step(np.array([0, 0, 0]))[0][[0, 2]], twin.step(np.array([0, 0, 0]))[0][[0, 2]])


def test_a_seed_for_each_sub_environment_may_leave_some_as_they_are() -> None:
    env = TradingVectorEnvironment(num_envs=3, **INTERPRETED)
    one = env.reset(seed=[5, 6, 7])[0]
    two = env.reset(seed=[5, None, 7])[0]

    assert_same(one[[0, 2]], two[[0, 2]])
    assert_same(one, TradingVectorEnvironment(num_envs=3, **INTERPRETED).reset(seed=5)[0])


def test_episodes_after_the_first_differ_and_come_again_with_the_seed() -> None:
    env = TradingVectorEnvironment(num_envs=4, **INTERPRETED)
    starts = [env.reset(seed=0)[1]["virtual_time"], *(env.reset()[1]["virtual_time"] for _ in range(5))]
    again = [env.reset(seed=0)[1]["virtual_time"], *(env.reset()[1]["virtual_time"] for _ in range(5))]

    assert len({tuple(times) for times in starts}) == 6
    assert_same(starts, again)


def test_dictionaries_hold_the_numbers_of_the_flat_observation() -> None:
    flat = TradingVectorEnvironment(num_envs=3, **INTERPRETED)
    parts = TradingVectorEnvironment(num_envs=3, flatten=False, **INTERPRETED)
    actions = actions_for(3, 20)

    for one, two in zip(play(flat, actions), play(parts, actions), strict=True):
        assert two[0]["window"].shape == (3, 1, 2, 5)
        assert_same(one[0], np.concatenate([two[0]["window"].reshape(3, -1), two[0]["account"]], axis=1))
        assert parts.observation_space.contains(two[0]) and flat.observation_space.contains(one[0])


def test_last_observations_are_dictionaries_where_observations_are() -> None:
    flat = TradingVectorEnvironment(num_envs=3, autoreset_mode="same_step", **INTERPRETED)
    parts = TradingVectorEnvironment(num_envs=3, autoreset_mode="same_step", flatten=False, **INTERPRETED)
    seen = 0

    for one, two in zip(play(flat, actions_for(3, 20)), play(parts, actions_for(3, 20)), strict=True):
        if "final_obs" in one[-1]:
            final = two[-1]["final_obs"]
            assert_same(
                one[-1]["final_obs"], np.concatenate([final["window"].reshape(3, -1), final["account"]], axis=1)
            )
            seen += 1
    assert seen == 2


def test_spaces_and_metadata_are_gymnasiums() -> None:
    env = TradingVectorEnvironment(num_envs=3, autoreset_mode=AutoresetMode.SAME_STEP, **INTERPRETED)

    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert env.action_space.shape == (3,)
    assert env.observation_space.shape == (3, *env.single_observation_space.shape)  # type: ignore[misc]
    assert env.action_space.contains(env.action_space.sample())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
@pytest.mark.parametrize("mode", MODES[:2])
def test_copies_in_mid_episode_go_on_alike_and_on_their_own(copied: Any, mode: str) -> None:
    env = TradingVectorEnvironment(num_envs=3, num_threads=2, autoreset_mode=mode, **INTERPRETED)
    play(env, actions_for(3, 13))
    twin, third = copied(env), copied(env)
    rest = actions_for(3, 25, seed=1)
    expected = [env.step(action) for action in rest]

    for other in actions_for(3, 25, seed=2):
        third.step(other)
    assert_same(expected, [twin.step(action) for action in rest])
    env.close()
    twin.close()


def test_reset_reaches_every_child() -> None:
    class Remembers(CustomReward):
        def __init__(self) -> None:
            self.seen = 0

        def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
            self.seen += 1
            return float(self.seen)

        def reset(self) -> None:
            self.seen = 0

    env = TradingVectorEnvironment(num_envs=3, **{**INTERPRETED, "reward_scheme": Remembers()})
    first = play(env, actions_for(3, 8), seed=4)
    play(env, actions_for(3, 30, seed=9), seed=77)

    assert_same(first, play(env, actions_for(3, 8), seed=4))


def test_the_info_of_a_python_reward_is_that_of_the_single_environment() -> None:
    seen: dict[str, list[Any]] = {}

    class Keeps(CustomReward):
        def __init__(self) -> None:
            self.given: list[Any] = []

        def compute(self, prev_equity: float, curr_equity: float, info: Any) -> float:
            self.given.append(copy.deepcopy({k: v for k, v in info.items() if k != "episode_metrics"}))
            return curr_equity - prev_equity

    arguments = {**INTERPRETED, "reward_scheme": Keeps(), "episode_length": 40, "slippage": "none"}
    vector = TradingVectorEnvironment(num_envs=2, **arguments)
    single = Single(**arguments)
    actions = actions_for(2, 39)
    play(vector, actions, seed=6)
    play(single, [int(action[1]) for action in actions], seed=7)
    seen["vector"], seen["single"] = vector.engine.rewards[1].given, single.reward_scheme.given  # type: ignore[attr-defined]

    assert_same(seen["vector"], seen["single"])


@pytest.mark.parametrize("steps", [1, 4])
def test_several_candles_for_each_action_equal_the_single_environment(steps: int) -> None:
    arguments = {**INTERPRETED, "steps_per_action": steps, "episode_length": 31}
    vector, single = TradingVectorEnvironment(num_envs=2, **arguments), TradingEnvironment(**arguments)
    actions = actions_for(2, 7)
    many = play(vector, actions, seed=0)
    one = play(single, [int(action[1]) for action in actions], seed=1)

    for a, b in zip(many, one, strict=True):
        assert_same(a[0][1].copy(), b[0])
        assert_sub_environment(a[-1], 1, b[-1], vector)


def test_the_specification_has_the_key_and_does_not_print_it() -> None:
    env = TradingVectorEnvironment(num_envs=2, data=CANDLES, lookback_window=3, interpreted=True)
    env.spec = EnvSpec("TradeReady-BTC-v0", kwargs={"api_key": "ak_live_planted"})

    assert env.spec.kwargs["api_key"] == "ak_live_planted"
    assert "planted" not in repr(env.spec)
