"""Target weights end where they were aimed at."""

import numpy as np
import pytest

from small_worlds import candles_of, small_env
from tradeready_gym.actions import PortfolioWeights
from tradeready_gym.market import Instrument

SYMBOLS = ("AAAUSDT", "BBBUSDT", "CCCUSDT")
PRICES = np.array([250.0, 4.0, 0.02])


@pytest.mark.parametrize("lots", [(0.0, 0.0, 0.0), (0.1, 1.0, 50.0)])
def test_weights_are_reached_to_within_one_lot_and_the_rest_is_cash(lots: tuple[float, float, float]) -> None:
    rules = {s: Instrument(s, lot_size=lot) for s, lot in zip(SYMBOLS, lots, strict=True)}
    candles = candles_of(np.repeat(PRICES[:, None], 40, axis=1), symbols=SYMBOLS)
    env = small_env(candles, action_scheme=PortfolioWeights(threshold=1e-9), instruments=rules)
    random = np.random.default_rng(5)
    env.reset(seed=0)
    for _ in range(30):
        weights = (0.9 * random.dirichlet(np.ones(4))[:3]).astype(np.float32)
        info = env.step(weights)[4]
        held = np.array([env.exchange.portfolio.get(symbol, 0.0) for symbol in SYMBOLS]) * PRICES
        wanted = weights.astype(np.float64) * 10_000.0

        assert (np.abs(held - wanted) <= np.array(lots) * PRICES + 1e-6).all()
        assert info["available_cash"] == pytest.approx(10_000.0 - held.sum())
