"""Does an action's order know the candle that it trades in?

The step of that candle differs rightly when the candle does, so that only what was asked before it is compared.
"""

from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from tradeready_gym.envs.replays import difference, drawn_actions, play
from tradeready_gym.envs.trading import TradingEnvironment
from tradeready_gym.envs.twins import Environment, silent_copy, trading_base, turned_twin
from tradeready_gym.errors import CheckFailed
from tradeready_gym.orders import FILL_DTYPE, OrderType

_SHORT = 200
_CUTS = 16
_ACTIONS = 4
_ASKED = ["symbol", "side", "kind", "price", "stop_price", "take_price"]


def check_orders_see_no_candle(env: Environment, seed: int) -> None:
    """Raise `CheckFailed` if, at one of some decisions, an action's orders depend on the candle that begins there.

    A twin lives in candles that turn the other way from that one on; it comes to the decision by the same actions.
    """
    rows = _decisions(env, seed)
    chosen = _spread(len(rows), seed)
    probe = silent_copy(env)
    for step, _ in enumerate(play(probe, seed, len(rows))):
        if step in chosen:
            twin = turned_twin(env, rows[step], seed + step)
            for _ in islice(play(twin, seed, len(rows)), step + 1):
                pass
            for action in _tried(env, seed + step):
                _require_same_orders(_Asked(probe, action), _Asked(twin, action), step + 1, action)


def _decisions(env: Environment, seed: int) -> list[int]:
    # the candle that begins at each decision; after the last result there is none
    probe = silent_copy(env)
    rows = [int(trading_base(probe).engine.state.accounts["row"][0]) for _ in play(probe, seed, _SHORT)]
    return rows[:-1]


def _spread(count: int, seed: int) -> set[int]:
    # at no fixed distance, which an environment could share; denser at the beginning, where a twin is there soon
    random = np.random.Generator(np.random.PCG64(seed))
    places = (np.arange(_CUTS) + random.random(_CUTS)) / _CUTS
    return set((count * places**2).astype(int).tolist()) if count else set()


def _tried(env: Environment, seed: int) -> list[Any]:
    space, drawn = env.action_space, drawn_actions(env, seed)
    if isinstance(space, spaces.Discrete) and space.n <= _ACTIONS:
        return [space.start + k for k in range(int(space.n))]
    return list(islice(drawn, _ACTIONS))


class _Asked:
    """What a copy of `env` asks for when it takes `action`: market fills, refusals, and what came to rest."""

    def __init__(self, env: Environment, action: Any) -> None:
        engine = trading_base(env).engine
        # the candles are only read
        own = silent_copy(env, {id(part): part for part in (engine.market, *engine.replayers)})
        self._base = trading_base(own)
        self._row = int(engine.state.accounts["row"][0])
        self.certain: dict[str, Any] = {}
        self.rests: dict[int, Any] = {}
        self.next_id = 0
        self._step = self._base.step
        # a wrapper may step on, or send orders after the step: the first of the environment's own steps counts
        vars(self._base)["step"] = self._first_step
        own.step(action)

    def _first_step(self, action: Any) -> Any:
        outcome = self._step(action)
        vars(self._base).pop("step", None)
        self._read(self._base)
        return outcome

    def _read(self, base: TradingEnvironment) -> None:
        state = base.engine.state
        account = state.accounts[0]
        fills = np.frombuffer(b"".join(base._fills), FILL_DTYPE)
        now = fills[(fills["row"] == self._row) & (fills["kind"] == OrderType.MARKET)]
        rejects = _plain(state.rejects[0][: int(account["rejects"])])
        refused = rejects[rejects["row"] == self._row]
        self.certain = {"market fills": now.tolist(), "refusals": refused.tolist()}
        book = _plain(state.book[0][: int(account["resting"])])
        # the legs of a bracket come with a fill, and that may lie within the candle
        for order in book[(book["submitted_row"] == self._row) & (book["group"] == 0)]:
            self.rests[int(order["order_id"])] = {name: order[name].item() for name in _ASKED}
        self.next_id = int(account["next_order_id"])


def _plain(records: Any) -> npt.NDArray[Any]:
    return np.asarray(records).view(np.ndarray)


def _require_same_orders(one: _Asked, other: _Asked, step: int, action: Any) -> None:
    both = one.rests.keys() & other.rests.keys()
    found = difference(
        {**one.certain, "orders": {number: one.rests[number] for number in sorted(both)}},
        {**other.certain, "orders": {number: other.rests[number] for number in sorted(both)}},
    )
    # a number that only one of them has given; whatever else is missing may have been filled
    lost = max(one.rests, default=-1) >= other.next_id or max(other.rests, default=-1) >= one.next_id
    if found or lost:
        raise CheckFailed(
            f"the orders of step {step} depend on the candle that they trade in, which lies in the future of the decision: "
            f"with action {action!r}, and that candle turned the other way from the same open, they differ"
            f"{found or ' in how many rest'}"
        )
