"""A simulated exchange on paths of a stochastic process."""

from collections.abc import Mapping, Sequence
from typing import Any

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges.simulated import SimulatedExchange
from tradeready_gym.market import PriceProcess, Timeframe, stochastic
from tradeready_gym.market.timeframe import TimeLike
from tradeready_gym.parameters import plain


def stochastic_exchange(
    model: PriceProcess | str = "gbm",
    paths: int = 16,
    bars: int = 8_766,
    timeframe: str | Timeframe = "1h",
    seed: int = 0,
    parameters: Mapping[str, float] | None = None,
    *,
    symbols: str | Sequence[str] = "BTCUSDT",
    start: TimeLike = "2021-01-01T00:00:00Z",
    price: float = 100.0,
    steps_per_bar: int = 8,
    **costs: Any,
) -> SimulatedExchange:
    """Return an exchange on `paths` independent paths of `bars` candles each, of which an episode draws one.

    The paths are `stochastic(model, ..., path=0)` to `path=paths - 1`, generated here; the feature table of each is built
    once, with the environment. `costs` are the arguments of a `SimulatedExchange`: balance, fees, slippage, account.

    Raises:
        UnknownName: no model, or no parameter of the model, is called that.
        ConfigurationError: a number is outside its domain.
        TypeError: an argument that a `SimulatedExchange` does not take, or `data`.
    """
    paths, bars, seed, price, steps_per_bar = map(plain, (paths, bars, seed, price, steps_per_bar))
    if isinstance(paths, bool) or not isinstance(paths, int) or paths < 1:
        raise ConfigurationError(f"paths must be an integer of at least 1; got {paths!r}")
    if "data" in costs:
        raise TypeError(f"a stochastic exchange makes its own data; leave out data= or the model {model!r}")
    markets = [
        stochastic(
            model,
            bars,
            timeframe,
            start,
            seed,
            symbols,
            path=path,
            parameters=parameters,
            price=price,
            steps_per_bar=steps_per_bar,
        )
        for path in range(paths)
    ]
    return SimulatedExchange(markets, symbols=markets[0].symbols, timeframe=markets[0].timeframe, **costs)
