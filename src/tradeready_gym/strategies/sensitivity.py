"""What is left of a result when trading costs nothing, twice, or four times as much."""

from collections.abc import Sequence
from typing import Any

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.strategies.base import TradingStrategy
from tradeready_gym.strategies.native import native_environment, vectorise
from tradeready_gym.strategies.performance import Evaluation

MULTIPLES = (0.0, 1.0, 2.0, 4.0)


def cost_sensitivity(
    strategy: TradingStrategy, environment: Any, *, multiples: Sequence[float] = MULTIPLES, seed: int = 0
) -> dict[float, Evaluation]:
    """The strategy's evaluation at each multiple of the environment's fees, slippage and interest.

    It learns nothing in between: an agent that was trained at the costs as they are meets others. Fees of 0 and no
    slippage show what it foresees; twice and four times, how much of it a worse broker would take.

    Raises:
        ConfigurationError: no multiple, a negative one, or a rate that would leave its domain.
    """
    if not multiples or any(not times >= 0.0 for times in multiples):
        raise ConfigurationError(f"multiples must be numbers of at least 0; got {list(multiples)!r}")
    native = native_environment(environment)
    exchange = native.engine.spec.exchange
    return {
        float(times): strategy.evaluate(vectorise(native, 1, exchange=exchange.with_costs(times)), seed=seed)
        for times in multiples
    }
