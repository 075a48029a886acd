"""A trained agent from its folder, whatever it learned with."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tradeready_gym.agents.folder import read_folder
from tradeready_gym.errors import StoreError

if TYPE_CHECKING:
    from tradeready_gym.strategies.rllib import RLlibTradingStrategy
    from tradeready_gym.strategies.stable_baselines import StableBaselinesTradingStrategy

    TrainedStrategy: TypeAlias = StableBaselinesTradingStrategy | RLlibTradingStrategy

CARD = "strategy.json"


def load_agent(path: str | Path, environment: Any = None, *, allow: str | Iterable[str] = ()) -> "TrainedStrategy":
    """The strategy that was saved in `path`, by the class that saved it; `environment` and `allow` as in its `load`.

    Raises:
        StoreError: there is none, it is damaged, or nothing here knows its kind.
        ConfigurationError: what it learned with is not installed; and as its `load`.
    """
    from tradeready_gym.strategies import rllib, stable_baselines

    kind = read_folder(Path(path).expanduser(), CARD).get("kind")
    if kind == stable_baselines.KIND:
        return stable_baselines.StableBaselinesTradingStrategy.load(path, environment, allow=allow)
    if kind == rllib.KIND:
        return rllib.RLlibTradingStrategy.load(path, environment, allow=allow)
    known = f"{stable_baselines.KIND!r} or {rllib.KIND!r}"
    raise StoreError(
        f"the strategy in {path} is of kind {kind!r}; {known} can be put to work. Load it with its own class"
    )
