"""ListInfosWrapper: the infos of a vector environment as a list of dicts, one for each account."""

from typing import Any

import numpy as np
from gymnasium.vector import VectorWrapper

from tradeready_gym.envs import TradingVectorEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges.desk import fill_view, reject_view
from tradeready_gym.market import format_time

_ORDERS = ("filled_orders", "rejected_orders")


class ListInfosWrapper(VectorWrapper):
    """`reset` and `step` return a list of infos; that of account i is the info of the single environment with `seed + i`.

    Gymnasium's `DictInfoToList` does not know the orders of a vector environment, which are one array of records for all
    accounts, as many as there were. `final_info` and `final_obs` are in the dicts of the accounts whose episodes have ended.
    It makes Python objects of every number: for looking at, not for training.

    Args:
        env: a `TradingVectorEnvironment`, also inside other wrappers that leave its infos as they are.

    Raises:
        ConfigurationError: it is another environment.
    """

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        if not isinstance(env.unwrapped, TradingVectorEnvironment):
            raise ConfigurationError(
                f"ListInfosWrapper is for a TradingVectorEnvironment; got {type(env.unwrapped).__name__}. Gymnasium's "
                "DictInfoToList is for others"
            )
        self._engine = env.unwrapped.engine

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, Any]:
        """Begin episodes; the infos are a list."""
        observations, infos = self.env.reset(seed=seed, options=options)
        return observations, self._as_list(infos)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Any]:
        """Step every account; the infos are a list."""
        *outcome, infos = self.env.step(actions)
        return (*outcome, self._as_list(infos))

    def _as_list(self, infos: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for name, value in infos.items():
            if name.startswith("_"):
                continue
            mask = infos.get(f"_{name}", np.ones(self.num_envs, np.bool_))
            each = self._by_account(name, value)
            for i in np.flatnonzero(mask).tolist():
                found[i][name] = each[i]
        return found

    def _by_account(self, name: str, value: Any) -> list[Any]:
        if name in _ORDERS:
            orders: list[Any] = [[] for _ in range(self.num_envs)]
            for record in value:
                orders[record["env"]].append(self._view(name, record))
            return orders
        if name == "final_obs":
            parts = value.items() if isinstance(value, dict) else None
            return [value[i] if parts is None else {k: v[i] for k, v in parts} for i in range(self.num_envs)]
        if isinstance(value, dict):
            return self._as_list(value)
        if name == "virtual_time":
            return [format_time(int(time)) for time in value]
        return [_plain(item) for item in value.tolist()] if isinstance(value, np.ndarray) else list(value)

    def _view(self, name: str, record: Any) -> dict[str, Any]:
        if name == "filled_orders":
            return fill_view(record, self._engine.symbols, self._engine.market)
        return reject_view(record, self._engine.symbols)


def _plain(value: Any) -> Any:
    # a metric that does not exist is NaN in a column, and None in a dict
    return None if isinstance(value, float) and np.isnan(value) else value
