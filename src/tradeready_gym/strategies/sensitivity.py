"""What is left of a result when trading costs nothing, twice, or four times as much."""

from collections.abc import Sequence
from typing import Any

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.strategies.base import TradingStrategy
from tradeready_gym.strategies.data_sets import seeds_of_sets
from tradeready_gym.strategies.native import native_environment, vectorise
from tradeready_gym.strategies.performance import Evaluation

MULTIPLES = (0.0, 1.0, 2.0, 4.0)


def costs_scaled(exchange: SimulatedExchange) -> dict[str, list[str]]:
    """By name what is multiplied and what is left as it is, of all that an exchange charges.

    Funding is left: what longs pay shorts receive, so that it is a part of the market and no broker's price.
    """
    account = exchange.account
    scaled = ["fees", "slippage"]
    if account is not None:
        scaled += ["interest"] if account.funding_rate is None else []
        scaled.append("liquidation fee")
    funded = account is not None and account.funding_rate is not None
    return {"scaled": scaled, "left": ["funding"] if funded else []}


def cost_sensitivity(
    strategy: TradingStrategy, environment: Any, *, multiples: Sequence[float] = MULTIPLES, seed: int | None = None
) -> dict[float, Evaluation]:
    """The strategy's evaluation at each multiple of the environment's fees, slippage, interest and liquidation fee.

    Funding, a transfer between longs and shorts, is that of the market at every multiple (`costs_scaled`). Each data set is
    played once; `seed` plays one episode instead. It learns nothing in between: an agent that was trained at the costs as they
    are meets others. Fees of 0 and no slippage show what it foresees; twice and four times, how much of it a worse broker
    would take.

    Raises:
        ConfigurationError: no multiple, a negative one, or a rate that would leave its domain.
    """
    if not multiples or any(not times >= 0.0 for times in multiples):
        raise ConfigurationError(f"multiples must be numbers of at least 0; got {list(multiples)!r}")
    native = native_environment(environment)
    exchange = native.engine.spec.exchange
    seeds = seeds_of_sets(native.engine) if seed is None else (seed,)
    return {
        float(times): strategy.evaluate(
            vectorise(native, 1, exchange=exchange.with_costs(times)), episodes=len(seeds), seed=seeds
        )
        for times in multiples
    }
