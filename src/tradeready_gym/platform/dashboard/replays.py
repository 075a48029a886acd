"""An episode of training as a backtest that can be looked at, and its equity in small."""

from typing import Any

from fastapi import APIRouter

from tradeready_gym.platform.accounts import Principal
from tradeready_gym.platform.api.dependencies import PlatformState, Reader
from tradeready_gym.platform.dashboard import backtests, episodes, runs
from tradeready_gym.platform.dashboard.inputs import EpisodeNumber
from tradeready_gym.platform.errors import PlatformError
from tradeready_gym.platform.state import Platform

numbers = APIRouter(prefix="/dashboard", include_in_schema=False)
POINTS = 300


def replay(platform: Platform, caller: Principal, run_id: str, episode_number: int) -> str:
    """Play the episode again from its seed and actions, the first time it is asked for; returns the backtest's id.

    Raises:
        NotFound: there is no such episode, or its actions were not kept.
        BadRequest: the server has no candles for it.
        Conflict: it was made of parts or candles that the server does not have.
    """
    from tradeready_gym.platform.sessions.replay import replay_episode

    return replay_episode(platform, caller.account_id, run_id, episode_number)


@numbers.get("/runs/{run_id}/episodes/{episode_number}/equity")
def equity(
    run_id: str, episode_number: EpisodeNumber, platform: PlatformState, caller: Reader, play: bool = False
) -> dict[str, Any]:
    """The equity of an episode over simulated time, in per cent of what it began with.

    `problem` says why there is none. With `play` the episode is played again if it was not yet.
    """
    with platform.database.read() as connection:
        runs.find_run(connection, caller.account_id, run_id)
        found = episodes.backtest_of(connection, caller.account_id, run_id, episode_number)
    try:
        found = found or (replay(platform, caller, run_id, episode_number) if play else None)
    except PlatformError as error:
        return {"problem": str(error), "times": [], "roi_pct": []}
    if found is None:
        return {"problem": "It has not been played again yet.", "times": [], "roi_pct": []}
    with platform.database.read() as connection:
        curve = backtests.equity(connection, found, POINTS)
    values, first = curve["equity"], curve["equity"][0] if curve["equity"] else 0.0
    changed = [round(100.0 * (value / first - 1.0), 4) for value in values] if first > 0 else []
    return {"problem": "", "session_id": found, "times": curve["times"], "roi_pct": changed}
