"""Options that several commands have."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

ContextFile = Annotated[
    Path | None,
    Parameter(
        help="A YAML or JSON file with the settings of a TradingContext. Options that are given go before it, and it goes "
        "before their defaults."
    ),
]
AllowNames = Annotated[
    tuple[str, ...],
    Parameter(
        help="A mismatch between the agent and what it is played on that shall not be refused: data (candles that it has "
        "learned from have other numbers now), anchor (they begin elsewhere) or versions; may be given several times."
    ),
]
DEFAULTS: Mapping[str, Any] = {
    "data": "auto",
    "timeframe": "1h",
    "lookback_window": 30,
    "reward_function": "log_return",
    "fee_rate": 0.001,
    "starting_balance": 10_000.0,
}


def experiment_arguments(
    environment: str, context: Path | None, given: Mapping[str, Any]
) -> tuple[str, dict[str, Any], str | None, str | None]:
    """The id, the arguments of `gymnasium.make`, and the span that options stand for, as far as it is said.

    `given` has the options as arguments of `gymnasium.make`, None where they were not given: then what the context says
    counts, or `DEFAULTS`.
    """
    from tradeready_gym.strategies.settings import arguments_of_context, lay_arguments, read_context, under_context

    identity, own = _environment(environment)
    said = {} if context is None else arguments_of_context(read_context(context))
    typed = {name: value for name, value in given.items() if value is not None}
    arguments = lay_arguments(under_context(identity, DEFAULTS, said), typed | own)
    return identity, arguments, arguments.pop("start_time", None), arguments.pop("end_time", None)


def given_arguments(
    data: str | None,
    timeframe: str | None,
    lookback: int | None,
    reward: str | None,
    fee_rate: float | None,
    starting_balance: float | None,
    features: str | None,
    position_size: float | None,
    start: str | None,
    end: str | None,
) -> dict[str, Any]:
    """The options of a command under the names of the arguments that they stand for."""
    from tradeready_gym.strategies.settings import data_place

    return {
        "data": None if data is None else data_place(data),
        "timeframe": timeframe,
        "lookback_window": lookback,
        "reward_function": reward,
        "fee_rate": fee_rate,
        "starting_balance": starting_balance,
        "observation_features": None if features is None else [name.strip() for name in features.split(",")],
        "position_size": position_size,
        "start_time": start,
        "end_time": end,
    }


def _environment(name: str) -> tuple[str, dict[str, Any]]:
    from tradeready_gym.registration import REGISTERED

    if name in REGISTERED or name.startswith("TradeReady-"):
        return name, {}
    return "TradeReady-BTC-v0", {"pairs": [name.upper()]}
