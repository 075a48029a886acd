"""`tradeready warm`: compile ahead of time."""

from rich.console import Console

from tradeready_gym.actions import ACTION_SCHEMES
from tradeready_gym.rewards import REWARD_SCHEMES


def warm(*, everything: bool = False) -> None:
    """Compile the step of the registered environments ahead of time, with their default reward.

    Parameters
    ----------
    everything
        All action schemes with all rewards: some minutes.
    """
    from tradeready_gym.envs import TradingEnvironment

    console = Console()
    rewards = list(REWARD_SCHEMES) if everything else ["pnl"]
    for scheme in ACTION_SCHEMES:
        for reward in rewards:
            environment = TradingEnvironment(
                data="sample", action_scheme=scheme, reward_scheme=reward, feature_pipeline=["candles"]
            )
            environment.reset(seed=0)
            environment.step(environment.action_space.sample())
            console.print(f"ready: {scheme}, {reward}", highlight=False)
