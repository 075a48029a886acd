"""The compiled engine on the reference's terms: a generated case as a TradingEnvironment, its script run, everything kept.

    case = agreed_case(seed=7, kind="orders")         # the reference, with the engine's own draws
    run = run_engine(case)                            # the engine on the same candles and script
    compare(case, run).differences                    # nothing

Every order of the reference has the number that is its order id here, so ids are compared too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from decimal_ledger import StepResult
from generate import Case, Knobs, build_case
from idle import Idle

from tradeready_gym.actions import ContinuousOrder, HoldBuySell, PortfolioWeights, TargetPosition
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.exchanges import slippage as models
from tradeready_gym.exchanges.draws import SLIPPAGE_STREAM, uniform
from tradeready_gym.market import Candles, Instrument
from tradeready_gym.orders import Order

EPOCH = 1_735_689_600_000_000  # 2025-01-01T00:00:00Z in microseconds
TIMEFRAMES = {24: "1h", 6: "4h", 1: "1d"}
ACCOUNT_FEATURES = ("balance", "position", "unrealized_pnl")
NO_SUCH_ORDER = 10**9
REWARDS = ("pnl", "log_return", "sharpe", "sortino", "drawdown_penalty", "composite")


@dataclass
class EngineStep:
    """What the engine tells of one step, and what its account looks like after it."""

    answers: list[dict[str, Any]]
    cancelled: list[bool]
    observation: Any
    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any]
    positions: list[float]
    locked_positions: list[float]
    average_entries: list[float]
    open_orders: list[dict[str, Any]]


@dataclass
class EngineRun:
    """A script's steps; `numbers[k]` are the ids that step k asked to cancel."""

    reward_scheme: str
    steps: list[EngineStep] = field(default_factory=list)

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The metrics of the episode, from the last step's info."""
        metrics: Mapping[str, Any] = self.steps[-1].info["episode_metrics"]
        return metrics


def symbol_name(index: int) -> str:
    """The symbols of a case by name; one beyond the last is a name that the exchange does not know."""
    return f"SYMBOL{index}"


def engine_draw(seed: int) -> Any:
    """The engine's own draws of the first episode of a seed, as (step, order number) -> u."""

    def draw(step: int, number: int) -> float:
        with np.errstate(over="ignore"):  # 64-bit counters wrap around on purpose
            return float(uniform(np.uint64(seed), 0, step, SLIPPAGE_STREAM, number))

    return draw


def agreed_case(seed: int, kind: str = "orders", knobs: Knobs | None = None) -> Case:
    """A generated case in which the reference slips by the engine's draws."""
    return build_case(seed, kind, knobs, draw=engine_draw(seed))


def reward_of(case: Case) -> str:
    """A reward that depends on the functions of the case alone, so that few combinations are compiled."""
    place = ("none", "fixed", "half_spread", "uniform", "volume_share", "square_root").index(case.model)
    place = 1 if case.model == "half_spread" else place  # it has the kernel of the fixed one
    scheme = ("NoneType", "HoldBuySell", "Continuous", "TargetPositions", "Portfolio")
    return REWARDS[(place + scheme.index(type(case.parameters.scheme).__name__)) % len(REWARDS)]


def environment_of(
    case: Case, *, reward: str | None = None, interpreted: bool = False, scheme: Any = None
) -> TradingEnvironment:
    """The case as an environment that has just been reset."""
    parameters, candles = case.parameters, candles_of(case)
    exchange = SimulatedExchange(
        candles,
        starting_balance=parameters.starting_balance,
        fee_rate=parameters.fee_rate,
        maker_fee_rate=parameters.maker_fee_rate,
        slippage=_model(parameters.slippage),
        fill_at=parameters.fill_at,
        instruments=_instruments(case),
        max_volume_share=parameters.max_volume_share,
        max_open_orders=400,
    )
    environment = TradingEnvironment(
        exchange,
        scheme or _scheme(parameters.scheme),
        reward or reward_of(case),
        ACCOUNT_FEATURES,
        lookback_window=1,
        start_time=int(candles.times[case.start_row]),
        max_loss=parameters.max_loss,
        episode_end=parameters.episode_end,
        interpreted=interpreted,
    )
    environment.reset(seed=case.seed)
    return environment


def run_engine(
    case: Case, *, reward: str | None = None, interpreted: bool = False, environment: TradingEnvironment | None = None
) -> EngineRun:
    """Run the script of a case through the engine, to the end of the episode."""
    reward = reward or reward_of(case)
    environment = environment or environment_of(case, reward=reward, interpreted=interpreted)
    run = EngineRun(reward)
    numbers: dict[tuple[int, str], int] = {}
    for entry, result in zip(case.steps, case.results, strict=True):
        cancelled = [
            environment.exchange.cancel(numbers.get(tuple(one), NO_SUCH_ORDER)) for one in entry.get("cancel", ())
        ]
        answers = environment.exchange.submit([order_of(request) for request in entry.get("submit", ())])
        run.steps.append(_step(environment, entry.get("action"), answers, cancelled))
        numbers.update({(one.order, one.leg): one.number for one in (*result.fills, *result.open_orders)})
    return run


def _step(
    environment: TradingEnvironment, action: Any, answers: list[dict[str, Any]], cancelled: list[bool]
) -> EngineStep:
    observation, reward, terminated, truncated, info = environment.step(_action(action))
    positions = environment.engine.state.positions[0]
    return EngineStep(
        answers,
        cancelled,
        observation,
        reward,
        terminated,
        truncated,
        info,
        positions["quantity"].tolist(),
        positions["locked"].tolist(),
        positions["average_entry"].tolist(),
        environment.exchange.open_orders,
    )


def order_of(request: Mapping[str, Any]) -> Order:
    """An order of a script as the exchange takes it."""
    return Order(
        symbol_name(request["symbol"]),
        request["side"],
        request["quantity"],
        request["type"],
        request.get("price"),
        request.get("stop_price"),
        request.get("take_price"),
    )


def candles_of(case: Case) -> Candles:
    """The case's candles; gaps are rows that the source does not have."""
    timeframe = TIMEFRAMES[case.parameters.bars_per_day]
    step = 86_400_000_000 // case.parameters.bars_per_day
    times = EPOCH + step * np.arange(len(case.series[0]), dtype=np.int64)
    parts = []
    for index, one in enumerate(case.series):
        there = ~np.array(one.gap)
        columns = (np.array(getattr(one, name))[there] for name in ("open", "high", "low", "close", "volume"))
        end = int(times[-1]) + step
        parts.append(Candles.from_arrays(symbol_name(index), timeframe, times[there], *columns, end=end))
    return Candles.merge(parts)


def statuses_of(case: Case, result: StepResult) -> list[str]:
    """What the reference says of a step's submissions, in the words of the exchange's answers."""
    first = case.results[result.step - 1].submissions if result.step else 0
    refused = {one.order for one in result.rejects}
    filled = {one.order for one in result.fills if not one.leg}
    words = []
    for index, request in enumerate(case.steps[result.step].get("submit", ())):
        if first + index in refused:
            words.append("rejected")
        elif request["type"] != "market":
            words.append("pending")
        else:
            words.append("filled" if first + index in filled else "cancelled")
    return words


def _action(action: Any) -> Any:
    if action is None:
        return 0
    if isinstance(action, float):
        return np.array([action])
    return np.array(action) if isinstance(action, list) else action


def _model(model: Any) -> Any:
    numbers = {"amount": "fraction"}
    values = {numbers.get(name, name): value for name, value in vars(model).items()}
    return getattr(models, type(model).__name__)(**values)


def _scheme(scheme: Any) -> Any:
    name = type(scheme).__name__
    if scheme is None:
        return Idle()
    if name == "HoldBuySell":
        return HoldBuySell(scheme.position_size)
    if name == "Continuous":
        return ContinuousOrder(scheme.position_size, scheme.dead_zone)
    if name == "Portfolio":
        return PortfolioWeights(scheme.threshold)
    return TargetPosition(scheme.targets, scheme.threshold)


def _instruments(case: Case) -> dict[str, Instrument]:
    rules = {}
    for index in range(len(case.series)):
        one = case.parameters.instrument(index)
        name = symbol_name(index)
        rules[name] = Instrument(name, one.lot_size or 0.0, one.tick_size or 0.0, one.min_notional or 0.0)
    return rules
