"""What Gymnasium's checker does not see: money, time, whole episodes, and the future.

from tradeready_gym.envs import check_trading_env

check_trading_env(env)      # raises CheckFailed, or returns nothing
"""

import copy
import json
import math
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from tradeready_gym.engine import Engine
from tradeready_gym.envs.audit import Audit
from tradeready_gym.envs.peeks import check_orders_see_no_candle
from tradeready_gym.envs.replays import (
    DOCUMENTED_INFO,
    brief,
    difference,
    drawn_actions,
    play,
    play_on,
    require_same,
    without_guests,
)
from tradeready_gym.envs.trading import TradingEnvironment
from tradeready_gym.envs.twins import Environment, scrambled_twin, silent_copy, trading_base
from tradeready_gym.errors import CheckFailed, ConfigurationError, ResetNeeded
from tradeready_gym.market import parse_time

_SHORT = 200


def check_trading_env(env: Environment, *, seed: int = 0, max_steps: int = 5_000) -> None:
    """Check a `TradingEnvironment`, one derived from it, or either of them in wrappers.

    Episodes are played with random actions drawn from `seed`, on silent deep copies: nothing is written to a journal, and
    statistics that a wrapper keeps do not move. Afterwards `env` has been reset and can be used. Checked are

    * whole episodes (of a long one the last `max_steps` candles): observations in their space and finite, rewards finite,
      infos with the documented keys and JSON-serialisable, clock and counters, the flags at the end, `ResetNeeded` after it;
    * the money: cash, positions, PnL, fees and equity are recomputed from the reported fills and the closes;
    * no aliasing: what a step has returned never changes, and changing it changes nothing;
    * replay: the same seed and actions give the same bits after any other episode, and in a deep copy made in mid-episode;
    * no look-ahead: on candles with another future, everything up to the cut is the same to the last bit, and later not;
    * no look into the candle that an action trades in: at decisions spread over the episode (its first 200 steps), with that
      candle's close on the other side of its open, the same actions place the same orders, market orders fill alike,
      the same ones are refused, and what stays in the book is the same. What rests may fill otherwise.

    Look-ahead through data that code has copied where no attribute of the environment or a wrapper leads is not seen. A look
    into the action's candle is missed if it is taken at few decisions only, or shows in nothing but what is cancelled.

    Raises:
        CheckFailed: the first finding; the message says what was required and what was found.
        ConfigurationError: `env` is not a single trading environment.
    """
    base = trading_base(env)
    if max_steps < 1:
        raise ConfigurationError(f"max_steps must be at least 1; got {max_steps!r}")
    _check_episode(_shortened(silent_copy(base), max_steps), seed)
    if env is not base:
        _check_values(_shortened(silent_copy(env), max_steps), seed, max_steps)
    _check_aliasing(env, seed)
    _check_replay(base, seed)
    _check_copies(env, seed)
    _check_future(env, seed)
    check_orders_see_no_candle(env, seed)
    env.reset(seed=seed)


# ---- whole episodes ----


def _check_episode(env: TradingEnvironment, seed: int) -> None:
    observation, info = env.reset(seed=seed)
    _check_observation(env, observation, "reset()")
    _check_info(info, 0)
    audit, done, step = Audit(env, info), False, 0
    start = parse_time(info["virtual_time"])
    actions = drawn_actions(env, seed)
    while not done:
        action = next(actions)
        row = int(env.engine.state.accounts["row"][0])
        observation, reward, terminated, truncated, info = env.step(action)
        candles = int(env.engine.state.accounts["row"][0]) - row
        step += candles
        if candles < 1:
            raise CheckFailed(f"every step must let at least one candle pass; the clock stood still at step {step}")
        _check_observation(env, observation, f"step {step}")
        _check_outcome(reward, terminated, truncated, step)
        _check_info(info, step)
        _check_clock(env, info, start, step)
        audit.step(info, candles)
        _check_flags(env.engine, info, terminated, truncated)
        done = terminated or truncated
    _check_metrics(env, info)
    _check_after_the_end(env, action)


def _check_values(env: Environment, seed: int, max_steps: int) -> None:
    observation, _ = env.reset(seed=seed)
    _check_observation(env, observation, "reset()")
    for step, action in enumerate(drawn_actions(env, seed), start=1):
        observation, reward, terminated, truncated, _ = env.step(action)
        _check_observation(env, observation, f"step {step}")
        _check_outcome(reward, terminated, truncated, step)
        if trading_base(env).engine.state.accounts["done"][0] and not (terminated or truncated):
            raise CheckFailed(
                f"the episode ended at step {step}, and a wrapper hides it: terminated and truncated are False"
            )
        if terminated or truncated:
            return
        if step > max_steps:
            raise CheckFailed(f"the episode has no more than {max_steps} candles, and after as many steps it goes on")


def _check_observation(env: Environment, observation: Any, when: str) -> None:
    if not env.observation_space.contains(observation):
        raise CheckFailed(
            f"every observation must be in the space {env.observation_space}; that of {when} is not: {brief(observation)}"
        )
    for part in observation.values() if isinstance(observation, Mapping) else [observation]:
        if not np.isfinite(part).all():
            raise CheckFailed(f"every number of an observation must be finite; that of {when} is {brief(observation)}")


def _check_outcome(reward: Any, terminated: Any, truncated: Any, step: int) -> None:
    if not isinstance(reward, float) or not math.isfinite(reward):
        raise CheckFailed(
            f"a reward must be a finite float; step {step} paid {reward!r} of type {type(reward).__name__}"
        )
    if not isinstance(terminated, bool) or not isinstance(truncated, bool):
        raise CheckFailed(
            f"terminated and truncated must be bool; step {step} returned {terminated!r} and {truncated!r}"
        )


def _check_info(info: Any, step: int) -> None:
    missing = sorted(set(DOCUMENTED_INFO) - set(info))
    if missing:
        raise CheckFailed(
            f"info must have {', '.join(DOCUMENTED_INFO)}; that of step {step} lacks {', '.join(missing)}"
        )
    for name, kind in DOCUMENTED_INFO.items():
        if type(info[name]) is not kind:
            raise CheckFailed(f"info[{name!r}] must be a {kind.__name__}; at step {step} it is {info[name]!r}")
    if "episode" in info:
        raise CheckFailed(
            "info['episode'] belongs to Gymnasium's and Stable-Baselines3's wrappers; use 'episode_metrics'"
        )
    try:
        json.dumps(info, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CheckFailed(
            f"info must be plain data that json.dumps takes; that of step {step} is not: {error}"
        ) from error


def _check_clock(env: TradingEnvironment, info: Mapping[str, Any], start: int, step: int) -> None:
    account = env.engine.state.accounts[0]
    total = int(account["end_row"] - account["start_row"])
    passed = parse_time(info["virtual_time"]) - start
    found = (info["step"], info["total_steps"], info["progress_pct"], passed)
    before = env.engine.times[int(account["start_row"]) - 1]
    wanted = (step, total, round(100.0 * step / total, 2), int(env.engine.times[int(account["row"]) - 1] - before))
    # two ways to round to two decimals may differ by one of the last
    if found[:2] != wanted[:2] or found[3] != wanted[3] or abs(found[2] - wanted[2]) > 0.0101:
        raise CheckFailed(
            f"step, total_steps, progress_pct and microseconds of virtual_time since reset must be {wanted}; info has {found}"
        )


def _check_flags(engine: Engine, info: Mapping[str, Any], terminated: bool, truncated: bool) -> None:
    spec, account = engine.spec, engine.state.accounts[0]
    over = info["step"] == info["total_steps"]
    whole = over and int(account["end_row"]) in engine.segments["data_end_row"]
    start = spec.exchange.starting_balance
    ruined = info["equity"] <= start - spec.max_loss * start
    if spec.episode_end == "gymnasium":
        wanted = (ruined, over)
    else:
        wanted = (whole, ruined or (over and not whole))
    if (terminated, truncated) != wanted:
        raise CheckFailed(
            f"with episode_end={spec.episode_end!r} terminated and truncated must be {wanted} at step {info['step']} of "
            f"{info['total_steps']} with equity {info['equity']!r} of {spec.exchange.starting_balance!r}; "
            f"got {(terminated, truncated)}"
        )


def _check_metrics(env: TradingEnvironment, info: Mapping[str, Any]) -> None:
    if "episode_metrics" not in info:
        raise CheckFailed("the info of the last step must have 'episode_metrics'")
    roi = 100.0 * (info["equity"] / env.engine.spec.exchange.starting_balance - 1.0)
    found = info["episode_metrics"]["roi_pct"]
    if not abs(found - roi) <= 1e-9 * max(1.0, abs(roi)):
        raise CheckFailed(f"episode_metrics['roi_pct'] must be 100 x (final / starting - 1) = {roi!r}; got {found!r}")


def _check_after_the_end(env: TradingEnvironment, action: Any) -> None:
    before = env.engine.state.accounts.tobytes()
    try:
        env.step(action)
    except (ResetNeeded, gymnasium.error.ResetNeeded):
        pass
    else:
        raise CheckFailed("step() after the end of an episode must raise ResetNeeded; it returned")
    if env.engine.state.accounts.tobytes() != before:
        raise CheckFailed("step() after the end of an episode must change nothing; the account has changed")
    env.reset()
    env.step(action)


# ---- nothing is shared ----


def _check_aliasing(env: Environment, seed: int) -> None:
    kept, played = [], []
    untouched = silent_copy(env)
    for outcome in play(untouched, seed, _SHORT):
        kept.append(outcome)
        played.append(copy.deepcopy(outcome))
    for step, (now, then) in enumerate(zip(kept, played, strict=True)):
        found = difference(now, then)
        if found:
            raise CheckFailed(
                f"what step {step} returned must stay as it was; a later step has changed it{found}. Return a new array, "
                f"list and dictionary each time"
            )
    spoiled = []
    victim = silent_copy(env)
    for outcome in play(victim, seed, _SHORT):
        spoiled.append(copy.deepcopy(without_guests(env, outcome)))
        _spoil(outcome)
    rule = "overwriting what a step returned must not change what follows: it is a view of the environment's own"
    require_same([without_guests(env, outcome) for outcome in played], spoiled, rule)
    found = difference(trading_base(untouched).exchange.trades, trading_base(victim).exchange.trades, "exchange.trades")
    if found:
        raise CheckFailed(f"{rule}; it differs{found}")


def _spoil(thing: Any) -> None:
    if isinstance(thing, np.ndarray):
        if thing.flags.writeable:
            thing[...] = 7
    elif isinstance(thing, dict):
        for value in thing.values():
            _spoil(value)
        thing.clear()
    elif isinstance(thing, list):
        for value in thing:
            _spoil(value)
        thing.clear()
    elif isinstance(thing, tuple):
        for value in thing:
            _spoil(value)


# ---- the same again ----


def _check_replay(base: TradingEnvironment, seed: int) -> None:
    used = silent_copy(base)
    first = list(play(used, seed, _SHORT))
    for _ in play(used, seed + 1, _SHORT // 2):
        pass
    require_same(
        first,
        list(play(used, seed, _SHORT)),
        f"reset(seed={seed}) and the same actions must give the same episode, whatever was played before",
    )


def _check_copies(env: Environment, seed: int) -> None:
    one = silent_copy(env)
    # in the middle of an episode, with a position and a history
    middle = len(list(play(one, seed, _SHORT))) // 2
    one = silent_copy(env)
    played = play(one, seed, _SHORT)
    for _ in range(middle):
        next(played)
    two, three = silent_copy(one), silent_copy(one)
    rest = [without_guests(env, outcome) for outcome in played]
    for copied in (two, three):
        require_same(
            rest,
            [without_guests(env, outcome) for outcome in play_on(copied, seed, middle, _SHORT)],
            f"a deep copy made at step {middle - 1} must continue like its original, and on its own",
        )


# ---- no look-ahead ----


def _check_future(env: Environment, seed: int) -> None:
    probe = silent_copy(env)
    rows = [int(trading_base(probe).engine.state.accounts["row"][0]) for _ in play(probe, seed, _SHORT)]
    if len(rows) < 3:
        return
    start, cut = rows[0], rows[len(rows) // 2]
    one, two = silent_copy(env), scrambled_twin(env, cut, seed)
    changed = False
    for step, (seen, scrambled) in enumerate(zip(play(one, seed, _SHORT), play(two, seed, _SHORT), strict=False)):
        found = difference(without_guests(env, seen), without_guests(env, scrambled))
        if int(trading_base(one).engine.state.accounts["row"][0]) > cut:
            changed = changed or bool(found)
        elif found:
            raise CheckFailed(
                f"step {step} depends on candles that lie in its future: with other candles from "
                f"{cut - start} candles after the start on, it differs{found}"
            )
    if not changed:
        raise CheckFailed(
            "with other candles in the second half of the episode nothing came out differently: the environment does not "
            "trade, mark and observe the candles that it is given"
        )


def _shortened(env: Any, max_steps: int) -> Any:
    engine = trading_base(env).engine
    if engine.settings["episode_length"][0] > max_steps:
        engine.settings["episode_length"] = max_steps
    elif engine.settings["episode_length"][0] == 0:
        engine.segments["first_row"] = np.maximum(engine.segments["first_row"], engine.segments["end_row"] - max_steps)
    return env
