"""What a strategy is shown lies in its past."""

import numpy as np
import pytest

from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.market.worlds import trend
from tradeready_gym.strategies import Situation


def test_closes_end_at_the_last_candle_before_the_clock_and_are_missing_before_the_data() -> None:
    candles = trend(bars=60, seed=0)
    vector = TradingVectorEnvironment(
        data=candles, feature_pipeline=["returns"], lookback_window=2, num_envs=2, slippage="none", interpreted=True
    )
    observations, _ = vector.reset(seed=0)
    row = int(vector.engine.state.accounts["row"][0])
    shown = Situation(observations, vector.engine).closes(row + 3)
    assert shown.shape == (2, 1, row + 3)
    assert np.isnan(shown[:, :, :3]).all()
    assert np.array_equal(shown[1, 0, 3:], candles.close[0, :row])


def test_closes_do_not_reach_into_another_data_set() -> None:
    sets = [trend(bars=40, seed=seed) for seed in range(3)]
    vector = TradingVectorEnvironment(
        data=sets, feature_pipeline=["returns"], lookback_window=2, num_envs=8, slippage="none", interpreted=True
    )
    observations, _ = vector.reset(seed=0)
    shown = Situation(observations, vector.engine).closes(60)
    known = {tuple(one.close[0]) for one in sets}
    for account in shown[:, 0]:
        seen = account[~np.isnan(account)]
        assert any(np.array_equal(seen, whole[: len(seen)]) for whole in known)


def test_weights_and_cash_add_up_to_one() -> None:
    vector = TradingVectorEnvironment(
        data=trend(bars=60, seed=0), feature_pipeline=["returns"], lookback_window=2, num_envs=2, interpreted=True
    )
    vector.reset(seed=0)
    observations, *_ = vector.step(np.array([0, 1]))
    situation = Situation(observations, vector.engine)
    assert situation.weights[0, 0] == 0.0
    assert situation.weights[1, 0] == pytest.approx(0.1, rel=0.02)
    assert situation.weights.sum(axis=1) + situation.cash_share == pytest.approx(1.0)
