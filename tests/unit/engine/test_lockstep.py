"""The step of many accounts at once leaves the bits of the general step, and is taken only where there is nothing more to do."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lockstep_twins import COMMON, Twins, actions_of, assert_same_episodes, assert_same_state, assert_same_steps, twins
from small_worlds import assert_same, candles_of, random_candles
from tradeready_gym.actions import JoinedActions, make_action_scheme
from tradeready_gym.actions.registry import ACTION_SCHEMES
from tradeready_gym.engine import WHOLE_STEP
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import ActionError, ConfigurationError, StoreError
from tradeready_gym.exchanges import FeeSchedule, MarginAccount
from tradeready_gym.exchanges.slippage import SLIPPAGE_MODELS
from tradeready_gym.ledger.columns import Columns
from tradeready_gym.ledger.records import ACCOUNT_DTYPE
from tradeready_gym.market import Instrument
from tradeready_gym.orders import Reject
from tradeready_gym.rewards import REWARD_SCHEMES, HoldingPenalty, make_reward_scheme
from tradeready_gym.strategies.training_state import accounts_in, put_accounts

# around a vector of the processor, and around a chunk of the step
SIZES = (2, 7, 8, 9, 127, 128, 129, 300)

# ---- every component of ours ----

SMALL_WINDOWS: dict[str, dict[str, Any]] = {
    "sharpe": {"window": 5},
    "sortino": {"window": 4},
    "composite": {"sortino_window": 6},
    "simple_profit": {"window": 3},
    "risk_adjusted": {"window": 5, "return_algorithm": "sortino", "target_returns": 1e-4},
    "calmar": {"window": 4},
    "holding_penalty": {"free_bars": 2},
    "weighted_sum": {"terms": {"sharpe": 1.0, "turnover_penalty": -0.5, "calmar": 0.25, "holding_penalty": -1.0}},
}


def schemes_that_never_rest() -> list[Any]:
    """Those for one symbol; joined ones, too."""
    plain = [scheme for scheme in map(make_action_scheme, ACTION_SCHEMES) if not scheme.rests]
    return [*plain, JoinedActions(["target_position", "hold_buy_sell", "hold_buy_sell"])]


def compositions() -> list[tuple[str, Any, str]]:
    """Every reward, every scheme and every slippage once at least: a step of its own costs seconds to compile."""
    rewards, schemes, models = list(REWARD_SCHEMES), schemes_that_never_rest(), list(SLIPPAGE_MODELS)
    count = max(map(len, (rewards, schemes, models)))
    return [(rewards[k % len(rewards)], schemes[k % len(schemes)], models[k % len(models)]) for k in range(count)]


@pytest.mark.parametrize(("reward", "scheme", "model"), compositions(), ids=lambda part: str(part).partition("(")[0])
def test_every_component_of_ours_leaves_the_bits_of_the_general_step(reward: str, scheme: Any, model: str) -> None:
    paid = make_reward_scheme({"name": reward, **SMALL_WINDOWS.get(reward, {})})
    parts: dict[str, Any] = {"reward_scheme": paid, "action_scheme": scheme, "slippage": model}
    assert_same_episodes(twins(9, **parts), 85, where="long")
    assert_same_episodes(twins(13, **parts, episode_length=7, autoreset_mode="SAME_STEP", fee_rate=0.01), where="short")


def test_a_reward_of_nothing_has_the_sign_of_the_general_step() -> None:
    # minus nothing, added to nothing, is nothing
    _, scheme, model = next(parts for parts in compositions() if parts[0] == "holding_penalty")
    pair = twins(9, reward_scheme=HoldingPenalty(coeff=0.0), action_scheme=scheme, slippage=model)
    assert_same_episodes(pair, 20)


def test_parts_of_orders_of_a_strict_exchange_leave_the_bits_of_the_general_step() -> None:
    strict = Instrument("BTCUSDT", lot_size=0.01, tick_size=0.01, min_notional=150.0, max_quantity=6.0)
    parts: dict[str, Any] = {"action_scheme": "continuous", "slippage": "fixed", "reward_scheme": "log_return"}
    pair = twins(
        21,
        **parts,
        instruments={"BTCUSDT": strict},
        fee_rate=FeeSchedule(0.001, minimum=0.5, per_trade=0.1),
        max_volume_share=0.004,
        episode_length=40,
    )
    assert_same_episodes(pair, 80)
    infos = [pair[0].step(action)[4] for action in actions_of(pair[0], 30, 1)]
    reasons = {int(reason) for info in infos for reason in info["rejected_orders"]["reason"]}
    sides = {int(side) for info in infos for side in info["filled_orders"]["side"]}

    assert reasons == {Reject.MIN_NOTIONAL, Reject.MARKET_CLOSED}
    assert sides == {-1, 1}


# ---- everything else that an environment can be told, with the commonest components ----

WORLDS: dict[str, dict[str, Any]] = {
    "as the ids are": {},
    "a least value": {"instruments": {"BTCUSDT": Instrument("BTCUSDT", min_notional=1_000.0)}},
    "the end of Gymnasium": {"episode_end": "gymnasium", "episode_length": 11},
    "the end of the data, of Gymnasium": {"episode_end": "gymnasium"},
    "ruin": {"max_loss": 0.002, "fee_rate": 0.005, "autoreset_mode": "SAME_STEP"},
    "ruin, of Gymnasium": {"max_loss": 0.002, "fee_rate": 0.005, "episode_end": "gymnasium"},
    "ruin, reset by hand": {"max_loss": 0.002, "fee_rate": 0.005, "autoreset_mode": "DISABLED"},
    "one step an episode": {"episode_length": 1},
    "two steps an episode": {"episode_length": 2, "autoreset_mode": "DISABLED"},
    "only the position": {"feature_pipeline": ("ohlcv", "position")},
    "no scalar": {"feature_pipeline": ("ohlcv",)},
    "the time left, in another order": {"feature_pipeline": ("ohlcv", "unrealized_pnl", "time_to_end", "balance")},
    "one candle in sight": {"feature_pipeline": ("returns", "time_to_end"), "lookback_window": 1},
    "a window of more than a cache line": {"lookback_window": 11},
    "several data sets": {
        "data": [random_candles(60, seed=1), random_candles(70, seed=2, gaps=True), random_candles(40, seed=3)],
        "episode_length": 8,
    },
    "lots": {"instruments": {"BTCUSDT": Instrument("BTCUSDT", lot_size=0.5, min_notional=300.0)}},
    "ticks": {"instruments": {"BTCUSDT": Instrument("BTCUSDT", tick_size=0.05)}, "fill_at": "close"},
    "quantities": {"instruments": {"BTCUSDT": Instrument("BTCUSDT", min_quantity=2.0, max_quantity=9.5)}},
    "the largest value": {"instruments": {"BTCUSDT": Instrument("BTCUSDT", max_notional=950.0)}},
    "a least fee": {"fee_rate": FeeSchedule(0.001, minimum=1.5)},
    "a fee for each trade": {"fee_rate": FeeSchedule(0.001, per_trade=1.0), "episode_length": 13},
    "a share of the volume": {"max_volume_share": 0.004},
    "the last close": {"fill_at": "close"},
    "a dictionary": {"flatten": False, "episode_length": 9, "autoreset_mode": "SAME_STEP"},
    "one array for all": {"copy": False, "episode_length": 9},
}


@pytest.mark.parametrize("world", sorted(WORLDS))
def test_every_setting_leaves_the_bits_of_the_general_step(world: str) -> None:
    assert_same_episodes(twins(19, **WORLDS[world]), 85)


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("mode", ["NEXT_STEP", "SAME_STEP", "DISABLED"])
def test_any_number_of_accounts_that_end_in_the_middle_of_others_leaves_the_same_bits(count: int, mode: str) -> None:
    # ruin ends each account when its own trades do
    world: dict[str, Any] = {"episode_length": 30, "autoreset_mode": mode, "max_loss": 0.004, "fee_rate": 0.003}
    pair = twins(count, **world)
    pair[0].reset(seed=0)
    assert_same_episodes(pair, 40)


def test_accounts_of_these_worlds_do_end_one_by_one_in_the_middle_of_others() -> None:
    env, _ = twins(129, episode_length=30, max_loss=0.004, fee_rate=0.003)
    env.reset(seed=5)
    ends = [env.step(action)[3] for action in actions_of(env, 40, 5)]
    between = [over[1:-1] & ~over[:-2] & ~over[2:] for over in ends]

    assert sum(int(alone.any()) for alone in between) > 10


@pytest.mark.parametrize("count", [7, 129, 300])
@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads_leaves_the_same_bits(count: int, threads: int) -> None:
    pair = twins(count, episode_length=12, num_threads=threads)
    assert_same_episodes(pair, 30)
    alone, _ = twins(count, episode_length=12)
    alone.reset(seed=5)
    for action in actions_of(alone, 30, 5):
        alone.step(action)
    assert_same_state(pair[0], alone)
    for env in pair:
        env.close()


@pytest.mark.parametrize(("first", "last"), [(0, 5), (3, 12), (8, 16), (5, 29), (29, 30)])
def test_a_range_of_accounts_is_moved_and_nobody_else(first: int, last: int) -> None:
    env, _ = twins(30)
    env.reset(seed=1)
    env.step(np.ones(30, np.int64))
    engine = env.engine
    whole, report = np.full(30 * engine.width, 7.0, np.float32), np.full_like(engine.new_report(), 7.0)
    before, others = engine.state.accounts.copy(), np.ones(30, np.bool_)
    others[first:last] = False
    engine.actions[:] = 2
    engine.advance(engine.world, whole, report, first, last, WHOLE_STEP)
    after = np.asarray(engine.state.accounts)

    assert after[others].tobytes() == before[others].tobytes()
    assert (after["row"][~others] == before["row"][~others] + 1).all()
    assert (whole.reshape(30, -1)[others] == 7.0).all()
    assert (report[:, :30][:, others] == 7.0).all()
    assert (report[:, 30:] == 7.0).all()


# ---- in the middle of things ----

# one of the compositions above, which is compiled already
REMEMBERING: dict[str, Any] = {
    "action_scheme": "hold_buy_sell",
    "reward_scheme": {"name": "weighted_sum", **SMALL_WINDOWS["weighted_sum"]},
    "slippage": "half_spread",
}


def part_way(**arguments: Any) -> Twins:
    """Two environments in the middle of their episodes, with a reward that remembers."""
    pair = twins(17, **REMEMBERING, **arguments)
    assert_same_episodes(pair, 13, seed=2)
    return pair


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"])
def test_a_copy_in_the_middle_of_an_episode_goes_on_the_same_and_leaves_the_original_alone(
    copied: Callable[[Any], Any],
) -> None:
    lockstep, general = part_way(episode_length=20)
    before = lockstep.engine.state.accounts.copy()
    other = copied(lockstep)
    assert other.engine.lockstep
    assert_same_state(other, general)
    assert_same_steps((other, copied(general)), actions_of(lockstep, 30, 8))

    assert lockstep.engine.state.accounts.copy().tobytes() == before.tobytes()
    assert_same_steps((lockstep, general), actions_of(lockstep, 30, 8))


def test_a_training_goes_on_where_its_state_was_kept() -> None:
    lockstep, general = part_way(episode_length=20)
    saved = pickle.loads(pickle.dumps(accounts_in(lockstep)))
    assert_same_steps((lockstep, general), actions_of(lockstep, 25, 8))
    fresh, _ = twins(17, **REMEMBERING, episode_length=20)
    put_accounts(fresh, saved)
    for action in actions_of(fresh, 25, 8):
        fresh.step(action)

    assert_same_state(fresh, general)


def test_some_are_reset_in_the_middle_of_others() -> None:
    pair = part_way(autoreset_mode="DISABLED")
    for turn in range(4):
        options = {"reset_mask": np.arange(17) % 5 == turn}
        seed = None if turn % 2 else 40 + turn
        lockstep, general = (env.reset(seed=seed, options=options) for env in pair)
        assert_same(lockstep, general)
        assert_same_steps(pair, actions_of(pair[0], 5, turn))


def test_a_refused_action_moves_nothing_and_the_next_step_is_the_same() -> None:
    pair = part_way()
    before = pair[0].engine.state.accounts.copy()
    bad = np.zeros(17, np.int64)
    bad[16] = 3
    for env in pair:
        with pytest.raises(ActionError, match="sub-environment 16"):
            env.step(bad)
    assert pair[0].engine.state.accounts.copy().tobytes() == before.tobytes()

    assert_same_steps(pair, actions_of(pair[0], 10, 3))


def test_a_fill_and_a_refusal_are_told_once() -> None:
    for env in twins(9, instruments={"BTCUSDT": Instrument("BTCUSDT", min_notional=900.0)}):
        env.reset(seed=0)
        told = []
        # a buy, a hold, a sale of everything, a hold; then a tenth of what a loss has left is less than the least value
        for choice in (1, 0, 2, 0):
            infos = env.step(np.full(9, choice))[4]
            told.append((len(infos["filled_orders"]), len(infos["rejected_orders"])))
        assert told == [(9, 0), (0, 0), (9, 0), (0, 0)]
        mixed = np.arange(9) % 2
        infos = env.step(mixed)[4]
        assert infos["filled_orders"]["env"].tolist() == [1, 3, 5, 7]
        infos = env.step(1 - mixed)[4]
        assert infos["filled_orders"]["env"].tolist() == [0, 2, 4, 6, 8]
        assert len(infos["rejected_orders"]) == 0


def test_refusals_are_the_same_and_are_told_once() -> None:
    pair = twins(9, instruments={"BTCUSDT": Instrument("BTCUSDT", min_notional=5_000.0)})
    assert_same_episodes(pair, 20)
    infos = pair[0].step(np.ones(9, np.int64))[4]
    assert len(infos["rejected_orders"]) == 9
    assert len(pair[0].step(np.zeros(9, np.int64))[4]["rejected_orders"]) == 0


# ---- the comparison itself ----


def nudged(array: Any, place: Any) -> None:
    """The last bit of one number."""
    cells = array[place : place + 1].view(np.int64)
    cells ^= 1


@pytest.mark.parametrize("name", [name for name in ACCOUNT_DTYPE.names or () if name != "pending"])
def test_one_bit_of_one_field_of_one_account_is_found(name: str) -> None:
    pair = twins(9)
    assert_same_episodes(pair, 2)
    nudged(pair[0].engine.state.accounts[name], 8)

    with pytest.raises(AssertionError, match=name):
        assert_same_state(*pair)


def test_one_bit_of_a_position_a_memory_or_an_observation_is_found() -> None:
    pair = part_way()
    for array in (pair[0].engine.state.positions["quantity"].reshape(-1), pair[0].engine.memory[7]):
        nudged(array, 16)
        with pytest.raises(AssertionError):
            assert_same_state(*pair)
        nudged(array, 16)
    assert_same_state(*pair)
    engine = pair[0].engine
    engine.table = engine.table.copy()
    engine.table.view(np.int32)[:] ^= 1
    engine._compile()

    with pytest.raises(AssertionError, match=r"step 0\[0\]"):
        assert_same_steps(pair, actions_of(pair[0], 1, 0))


# ---- where it is not taken ----


@pytest.mark.parametrize(
    "arguments",
    [
        {"account": MarginAccount()},
        {"steps_per_action": 2},
        {"action_scheme": "discrete"},
        {"data": random_candles(90, ("AAAUSDT", "BBBUSDT")), "action_scheme": "portfolio"},
        {"interpreted": True},
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_what_asks_for_more_gets_the_general_step(arguments: dict[str, Any]) -> None:
    # nothing is compiled before the first step
    engine = TradingVectorEnvironment(num_envs=2, **{**COMMON, **arguments}).engine

    assert not engine.lockstep
    assert not isinstance(engine.state.accounts, Columns)
    assert TradingVectorEnvironment(num_envs=2, **COMMON).engine.lockstep


def test_a_single_environment_has_the_general_step_for_a_person_may_submit_any_order() -> None:
    assert not TradingEnvironment(**COMMON).engine.lockstep


def test_the_interpreted_step_agrees_with_the_lockstep() -> None:
    lockstep, _ = twins(3, episode_length=20)
    interpreted = TradingVectorEnvironment(**{**COMMON, "num_envs": 3, "episode_length": 20, "interpreted": True})
    assert_same_episodes((lockstep, interpreted), 30)


def test_candles_of_one_price_and_a_market_that_is_closed_leave_the_same_bits() -> None:
    flat = candles_of(np.full(40, 100.0), volume=np.where(np.arange(40) % 4 == 0, 0.0, 50.0))
    assert_same_episodes(twins(10, data=flat), 45)


def test_the_first_reset_is_of_all_accounts() -> None:
    env = TradingVectorEnvironment(num_envs=3, autoreset_mode="DISABLED", **COMMON)
    with pytest.raises(ConfigurationError, match="first reset begins an episode in every sub-environment"):
        env.reset(seed=1, options={"reset_mask": np.array([True, False, True])})
    env.reset(seed=1)
    env.reset(options={"reset_mask": np.array([True, False, True])})
    assert env.engine.state.accounts["episode"].tolist() == [1, 0, 1]


def test_a_training_state_whose_records_lie_otherwise_is_refused_by_name() -> None:
    env = TradingVectorEnvironment(num_envs=3, **COMMON)
    env.reset(seed=1)
    saved = accounts_in(env)
    before = np.asarray(env.engine.state.accounts).tobytes()
    saved["arrays"]["fills"] = saved["arrays"]["fills"][:, [0, 0]]
    with pytest.raises(
        StoreError, match=r"fills of shape \(3, 2\), this version \(3, 1\): go on with the version that wrote it"
    ):
        put_accounts(env, saved)
    assert np.asarray(env.engine.state.accounts).tobytes() == before
