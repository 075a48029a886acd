"""`tradeready warm`."""

from typing import Annotated

from cyclopts import Parameter

from tradeready_gym.cli.console import out, progress

_USUAL = ("hold_buy_sell", "continuous", "portfolio", "target_position")
_Names = Annotated[list[str] | None, Parameter(negative=())]


def warm(*, actions: _Names = None, rewards: _Names = None, slippage: _Names = None) -> None:
    """Compile ahead of time, so that nobody waits at the first step.

    Parameters
    ----------
    actions
        Action schemes; those of the registered ids, target positions and what the baselines are played with by default.
    rewards
        Reward schemes; "pnl" and "log_return" by default.
    slippage
        Slippage models; "volume_share" by default.
    """
    from tradeready_gym.actions.holdings import Holdings
    from tradeready_gym.envs import TradingVectorEnvironment
    from tradeready_gym.market.worlds import martingale
    from tradeready_gym.platform.sessions.account import warm as warm_sessions

    combinations = [
        (scheme, reward, model)
        for scheme in actions or (*_USUAL, Holdings())
        for reward in rewards or ["pnl", "log_return"]
        for model in slippage or ["volume_share"]
    ]
    candles = martingale(bars=200)
    with progress() as shown:
        done = shown.task("compiling", len(combinations))
        for number, (scheme, reward, model) in enumerate(combinations, 1):
            # alone, and beside others: these may be compiled for less
            for beside in (1, 2):
                environment = TradingVectorEnvironment(
                    num_envs=beside,
                    data=candles,
                    action_scheme=scheme,
                    reward_scheme=reward,
                    slippage=model,
                    autoreset_mode="SAME_STEP",
                )
                environment.action_space.seed(0)
                environment.reset(seed=0)
                environment.step(environment.action_space.sample())
            done(number, len(combinations))
        warm_sessions()
    out().print(f"compiled and kept on disk: {len(combinations)} of {len(combinations)} combinations")
