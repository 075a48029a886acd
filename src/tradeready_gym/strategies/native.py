"""From somebody's environment to the compiled vector environments that strategies train and play on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, RecordEpisodeStatistics

from tradeready_gym.agents import AgentInterface, feature_digest
from tradeready_gym.engine import Engine
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.envs.trading import HOOKS
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.tracking import TrainingTracker

NativeEnvironment = TradingEnvironment | TradingVectorEnvironment

# what `gymnasium.make` adds, or what only looks on: playing without them changes no number
_TRANSPARENT = (OrderEnforcing, PassiveEnvChecker, RecordEpisodeStatistics)


def native_environment(environment: Any) -> NativeEnvironment:
    """The environment itself, without the wrappers that change nothing.

    Raises:
        ConfigurationError: it is not one of ours, or a wrapper or an overridden hook changes what it does, which the
            compiled vector environment of the same composition would not know of.
    """
    inner = environment
    while isinstance(inner, gymnasium.Wrapper) and type(inner) in _TRANSPARENT:
        inner = inner.env
    if isinstance(inner, gymnasium.Wrapper) and isinstance(inner.unwrapped, NativeEnvironment):
        raise ConfigurationError(
            f"a strategy plays the composition of an environment on a vector environment of its own, which would not have "
            f"the wrapper {type(inner).__name__}; give what it does as a parameter of the environment "
            f"(observation_features, steps_per_action, reward_function ...). Observations are scaled by the strategies that "
            f"need it"
        )
    if not isinstance(inner, NativeEnvironment):
        raise ConfigurationError(
            f"environment must be a TradingEnvironment or a TradingVectorEnvironment; got "
            f"{type(getattr(inner, 'unwrapped', inner)).__name__}"
        )
    hooks = [name for name in HOOKS if getattr(type(inner), name, None) is not getattr(TradingEnvironment, name)]
    if isinstance(inner, TradingEnvironment) and hooks:
        raise ConfigurationError(
            f"{type(inner).__name__} overrides {', '.join(hooks)}, which a vector environment of its composition would not "
            f"honour; write a reward, action scheme or feature instead"
        )
    return inner


def arguments_of(environment: NativeEnvironment) -> dict[str, Any]:
    """What a `TradingVectorEnvironment` of the same composition, on the same data, is made from; untracked, same-step."""
    spec = environment.engine.spec
    return {
        "exchange": spec.exchange,
        "action_scheme": spec.action_scheme,
        "reward_scheme": spec.reward_scheme,
        "feature_pipeline": spec.features,
        "lookback_window": spec.lookback_window,
        "start_time": spec.start_time,
        "end_time": spec.end_time,
        "episode_length": spec.episode_length,
        "episode_end": spec.episode_end,
        "max_loss": spec.max_loss,
        "steps_per_action": spec.candles_per_action,
        "flatten": environment.flatten,
        "interpreted": environment.engine.interpreted,
        "track_training": False,
        "autoreset_mode": "SAME_STEP",
    }


def vectorise(environment: NativeEnvironment, num_envs: int, **changes: Any) -> TradingVectorEnvironment:
    """A vector environment of the same composition, on the same data; `changes` replace arguments."""
    made = TradingVectorEnvironment(num_envs=num_envs, **(arguments_of(environment) | changes))
    if made.tracker is not None and environment.tracker is not None:
        # what is trained for an environment that reports to a platform is reported there, too
        made.tracker.deliver_like(environment.tracker)
    return made


def expect_episodes(training: TradingVectorEnvironment, steps: int) -> None:
    """Tell the tracker how many episodes so many steps, of all accounts together, are: those that no ruin ends early."""
    spec = training.engine.spec
    if training.tracker is None or spec.episode_length is None:
        return
    episodes = steps // training.num_envs // -(-spec.episode_length // spec.candles_per_action) * training.num_envs
    if episodes:
        training.tracker.expect(episodes)


@contextmanager
def told_how_it_ends(tracker: TrainingTracker | None) -> Iterator[None]:
    """Complete the run as what ends its training early: an error is a failure, Ctrl-C a cancellation."""
    try:
        yield
    except BaseException as error:
        if tracker is not None and isinstance(error, KeyboardInterrupt):
            tracker.complete_run("cancelled", "interrupted by Ctrl-C")
        elif tracker is not None and isinstance(error, Exception):
            tracker.complete_run("failed", f"{type(error).__name__}: {error}")
        raise


def interface_of(environment: NativeEnvironment) -> AgentInterface:
    """What an agent sees and does there: what a trained policy needs to find again."""
    engine = environment.engine
    spec, pipeline = engine.spec, engine.pipeline
    return AgentInterface(
        symbols=tuple(engine.symbols),
        timeframe=engine.market.timeframe.label,
        lookback_window=spec.lookback_window,
        window=tuple(pipeline.column_names),
        account=tuple(pipeline.account_features),
        features=tuple((feature.name, feature_digest(feature)) for feature in pipeline.market_features),
        observation="flat" if environment.flatten else "dict",
        action_space=repr(spec.action_scheme.action_space(len(engine.symbols))),
        action_scheme=repr(spec.action_scheme),
        steps_per_action=spec.candles_per_action,
        account_type="spot" if spec.exchange.account is None else "margin",
    )


def action_masks_of(engine: Engine) -> npt.NDArray[np.bool_]:
    """Which discrete actions can do anything now, bool (N, n); a `MultiDiscrete` has `sum(nvec)` columns."""
    state, scheme = engine.state, engine.spec.action_scheme
    masks = scheme.action_masks(state.accounts["cash"], state.accounts["equity"], state.positions["quantity"])
    if masks is not None:
        return np.asarray(masks)
    space = scheme.action_space(len(engine.symbols))
    width = int(space.nvec.sum()) if isinstance(space, spaces.MultiDiscrete) else int(getattr(space, "n", 1))
    return np.ones((engine.environments, width), np.bool_)
