"""Infos as a list are those of the single environments."""

import json
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

from small_worlds import assert_same, random_candles
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.wrappers import ListInfosWrapper

PAIR = ("AAAUSDT", "BBBUSDT")


def arguments(**changes: Any) -> dict[str, Any]:
    usual = {"data": random_candles(120, PAIR, gaps=True), "action_scheme": "portfolio", "lookback_window": 2}
    return {**usual, "interpreted": True, "episode_length": 6, "track_training": False, **changes}


@pytest.mark.parametrize("changes", [{}, {"account": "margin"}, {"flatten": False}], ids=["spot", "margin", "dict"])
@pytest.mark.parametrize("mode", ["SAME_STEP", "NEXT_STEP"])
def test_the_infos_of_an_account_are_those_of_the_single_environment(mode: str, changes: dict[str, Any]) -> None:
    many = TradingVectorEnvironment(num_envs=3, autoreset_mode=mode, **arguments(**changes))
    singles = [TradingEnvironment(**arguments(**changes)) for _ in range(3)]
    listed = ListInfosWrapper(many)
    random = np.random.default_rng(0)
    _, infos = listed.reset(seed=4)
    for i, single in enumerate(singles):
        assert_same(infos[i], {name: single.reset(seed=4 + i)[1][name] for name in infos[i]})
    filled = 0
    for step in range(1, 7):
        actions = random.dirichlet(np.ones(3), 3)[:, :2].astype(np.float32)
        *_, infos = listed.step(actions)
        for i, single in enumerate(singles):
            observation, _, _, _, wanted = single.step(actions[i])
            found = infos[i].pop("final_info") if mode == "SAME_STEP" and step == 6 else infos[i]
            assert_same({name: found[name] for name in wanted}, wanted)
            json.dumps(found, allow_nan=False)
            filled += len(wanted["filled_orders"])
            if mode == "SAME_STEP" and step == 6:
                assert_same(infos[i]["final_obs"], observation)
    assert filled > 3


def test_only_who_ended_has_a_last_info() -> None:
    listed = ListInfosWrapper(
        TradingVectorEnvironment(num_envs=2, autoreset_mode="SAME_STEP", **arguments(episode_length=None))
    )
    listed.reset(seed=0)
    *_, infos = listed.step(np.full((2, 2), 0.5, np.float32))
    assert all("final_info" not in info and len(info["filled_orders"]) == 2 for info in infos)


def test_it_goes_around_gymnasiums_statistics() -> None:
    listed = ListInfosWrapper(
        RecordEpisodeStatistics(TradingVectorEnvironment(num_envs=2, autoreset_mode="SAME_STEP", **arguments()))
    )
    listed.reset(seed=0)
    for _ in range(6):
        _, _, _, truncated, infos = listed.step(np.full((2, 2), 0.5, np.float32))
    assert truncated.all()
    assert [info["episode"]["l"] for info in infos] == [6, 6]


def test_gymnasiums_own_wrapper_still_cannot_and_others_are_referred_to_it() -> None:
    # the day on which it can, this wrapper may go
    with pytest.raises(AssertionError, match="Expects"):
        DictInfoToList(TradingVectorEnvironment(num_envs=2, **arguments())).reset(seed=0)
    with pytest.raises(ConfigurationError, match="is for a TradingVectorEnvironment; got SyncVectorEnv"):
        ListInfosWrapper(gymnasium.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync"))
