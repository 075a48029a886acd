"""Compiling before other processes begin: on a cold cache each of them would compile the same for itself."""

from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.strategies.holdings import baseline_environment
from tradeready_gym.strategies.native import NativeEnvironment, vectorise

_ALONE, _BESIDE = 1, 2  # one account, and several: these may be compiled for less


def compile_ahead(environment: NativeEnvironment, *, baselines: bool = True) -> None:
    """Compile what playing the environment takes, alone and by many accounts, and with the baselines' actions.

    It is kept on disk, where other processes find it. What is there already is loaded, which takes a moment.
    """
    if environment.engine.interpreted:
        return
    for count in (_ALONE, _BESIDE):
        _step_once(vectorise(environment, count))
        if baselines:
            _step_once(baseline_environment(environment, count))


def _step_once(environment: TradingVectorEnvironment) -> None:
    environment.action_space.seed(0)
    environment.reset(seed=0)
    environment.step(environment.action_space.sample())
