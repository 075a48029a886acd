"""An exchange on the paths of a process: an episode draws one, and names make the same as objects."""

import inspect
from typing import Any

import numpy as np
import pytest

from small_worlds import assert_same, play
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.exchanges import MarginAccount, SimulatedExchange, stochastic_exchange
from tradeready_gym.market import PRICE_PROCESSES, Heston, stochastic

SMALL: dict[str, Any] = {"paths": 3, "bars": 60}
USUAL: dict[str, Any] = {"feature_pipeline": ["returns", "position"], "lookback_window": 3, "interpreted": True}


def test_its_paths_are_the_first_ones_of_the_seed() -> None:
    exchange = stochastic_exchange("fbm", seed=4, parameters={"hurst": 0.7}, **SMALL)

    expected = [stochastic("fbm", 60, seed=4, parameters={"hurst": 0.7}, path=path) for path in range(3)]
    assert [replayer.candles for replayer in exchange.load()] == expected


def test_costs_are_those_of_a_simulated_exchange() -> None:
    account = MarginAccount(leverage=3.0)
    exchange = stochastic_exchange(
        Heston(drift=0.2), symbols="ETHUSDT", timeframe="1d", fee_rate=0.0, slippage=None, account=account, **SMALL
    )

    assert isinstance(exchange, SimulatedExchange)
    assert (exchange.symbols, exchange.timeframe.label, exchange.fee_rate) == (("ETHUSDT",), "1d", 0.0)
    assert exchange.account == account


def test_an_episode_draws_one_path_and_every_path_is_drawn() -> None:
    env = TradingEnvironment(stochastic_exchange("gbm", seed=1, **SMALL), **USUAL)
    assert len(env.engine.replayers) == 3

    seen = set()
    for seed in range(30):
        env.reset(seed=seed)
        row = int(env.engine.state.accounts["row"][0])
        path = next(number for number, offset in reversed(list(enumerate(env.engine.offsets))) if row >= offset)
        seen.add(path)
        ours = env.engine.rows["close"][row : row + 5, 0]
        at = row - env.engine.offsets[path]
        np.testing.assert_array_equal(ours, stochastic("gbm", 60, seed=1, path=path).close[0, at : at + 5])
    assert seen == {0, 1, 2}


def test_an_episode_stays_within_its_path() -> None:
    env = TradingEnvironment("gbm", **SMALL, **USUAL)

    outcomes = play(env, [1, 2] * 60)

    assert outcomes[-1][4]["step"] == 60 - 24  # a day of volume comes before the first step


@pytest.mark.parametrize("name", sorted(PRICE_PROCESSES))
def test_a_name_and_an_object_make_the_same_environment(name: str) -> None:
    named = TradingEnvironment(name, seed=2, fee_rate=0.002, **SMALL, **USUAL)
    built = TradingEnvironment(stochastic_exchange(name, seed=2, fee_rate=0.002, **SMALL), **USUAL)
    actions = [1, 0, 2, 1, 1, 0, 2] * 4

    assert_same(play(named, actions, seed=5), play(built, actions, seed=5))


def test_a_vector_of_accounts_trades_the_same_paths() -> None:
    vector = TradingVectorEnvironment("merton", num_envs=3, **SMALL, **USUAL)
    single = TradingEnvironment("merton", **SMALL, **USUAL)

    observations, _ = vector.reset(seed=10)

    for number in range(3):
        assert_same(observations[number], single.reset(seed=10 + number)[0])


def test_several_symbols_are_independent_processes() -> None:
    exchange = stochastic_exchange("gbm", symbols=["BTCUSDT", "ETHUSDT"], **SMALL)

    assert exchange.symbols == ("BTCUSDT", "ETHUSDT")
    close = exchange.load()[0].candles.close
    assert not np.allclose(close[0], close[1])


def test_mistakes_are_named() -> None:
    with pytest.raises(UnknownName, match="known: fbm, gbm, heston, merton, ornstein_uhlenbeck, simulated"):
        TradingEnvironment("cox")
    with pytest.raises(ConfigurationError, match="paths must be an integer of at least 1; got 0"):
        stochastic_exchange(paths=0)
    with pytest.raises(TypeError, match="makes its own data"):
        TradingEnvironment("fbm", data="sample")
    with pytest.raises(TypeError, match="paths belongs to a stochastic exchange: gbm, fbm"):
        TradingEnvironment(paths=3)
    with pytest.raises(TypeError, match="leave out exchange="):
        TradingEnvironment(stochastic_exchange(**SMALL), bars=100)
    with pytest.raises(UnknownName, match="parameter of gbm 'hurst'"):
        TradingEnvironment("gbm", parameters={"hurst": 0.5}, **SMALL)


def test_every_argument_has_the_default_of_the_candles() -> None:
    ours, theirs = inspect.signature(stochastic_exchange).parameters, inspect.signature(stochastic).parameters

    shared = [name for name in ours if name in theirs]
    assert len(shared) == len(theirs) - 1  # all but `path`
    assert [ours[name].default for name in shared] == [theirs[name].default for name in shared]
