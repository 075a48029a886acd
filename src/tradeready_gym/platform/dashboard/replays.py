"""An episode of training as a backtest that can be looked at."""

from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.state import Platform


def replay(platform: Platform, caller: Principal, run_id: str, episode_number: int) -> str:
    """Play the episode again from its seed and actions, the first time it is asked for; returns the backtest's id.

    Raises:
        NotFound: there is no such episode, or its actions were not kept.
        BadRequest: the server has no candles for it.
        Conflict: it was made of parts or candles that the server does not have.
    """
    from tradeready_gym.platform.sessions.replay import replay_episode

    return replay_episode(platform, caller.account_id, run_id, episode_number)
