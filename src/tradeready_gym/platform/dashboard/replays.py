"""An episode of training as a backtest that can be looked at."""

from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.errors import NotFound
from tradeready_gym.platform.state import Platform


def replay(platform: Platform, caller: Principal, run_id: str, episode_number: int) -> str:
    """Replay the episode from its seed and actions; returns the backtest's id.

    Raises:
        NotFound: its actions were not kept.
    """
    raise NotFound(
        f"Episode {episode_number} cannot be looked at: it was recorded by its figures, and the actions that it could be "
        f"replayed from were not kept.",
        code="EPISODE_NOT_KEPT",
        run_id=run_id,
        episode_number=episode_number,
    )
