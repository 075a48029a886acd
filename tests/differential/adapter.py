"""The engine on the reference's terms: a generated case as an environment, its script run, everything kept.

    case = agreed_case(seed=7, kind="orders")         # the reference, with the engine's own draws
    run = run_engine(case)                            # the compiled engine on the same candles and script
    compare(case, run).differences                    # nothing (comparison.py)

The faces of the engine: `run_engine` (an environment; a person's orders come through its exchange), `run_exchange` (the
exchange alone), `run_scheme` (an action scheme in plain Python that places the orders). Every order of the reference has
the number that is its order id here, so ids are compared too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from decimal_ledger import StepResult
from generate import Case, Knobs, build_case
from scripted import Idle, Scripted

from tradeready_gym.actions import ContinuousOrder, HoldBuySell, PortfolioWeights, TargetPosition
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.exchanges import FeeSchedule, MarginAccount, SimulatedExchange
from tradeready_gym.exchanges import slippage as models
from tradeready_gym.exchanges.draws import LIQUIDATION_STREAM, SLIPPAGE_STREAM, uniform
from tradeready_gym.market import Candles, FundingRates, Instrument
from tradeready_gym.orders import Order

HOUR = 3_600_000_000
EPOCH = 1_735_689_600_000_000  # 2025-01-01T00:00:00Z in microseconds
TIMEFRAMES = {24: "1h", 6: "4h", 1: "1d"}
ACCOUNT_FEATURES = ("balance", "position", "unrealized_pnl")
REWARDS = ("pnl", "log_return", "sharpe", "sortino", "drawdown_penalty", "composite")
MONEY = ("equity", "locked_cash", "position_value", "unrealized_pnl", "realized_pnl", "fees_paid")
MARGIN_MONEY = ("financing_paid", "bankruptcy_loss")
OPEN_ORDERS = 400
NO_SUCH_ORDER = 10**9


@dataclass
class EngineStep:
    """What the engine tells of one step, and what its account looks like after it.

    The exchange alone has no observation, reward or flags.
    """

    answers: list[dict[str, Any]]
    cancelled: list[bool]
    info: dict[str, Any]
    positions: list[float]
    locked_positions: list[float]
    average_entries: list[float]
    open_orders: list[dict[str, Any]]
    observation: Any = None
    reward: float = 0.0
    flags: tuple[bool, bool] | None = None


@dataclass
class EngineRun:
    """The steps of a script; `reward_scheme` is empty where nothing is paid."""

    reward_scheme: str
    steps: list[EngineStep] = field(default_factory=list)

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The metrics of the episode, from the last step's info."""
        metrics: Mapping[str, Any] = self.steps[-1].info["episode_metrics"]
        return metrics


# ---- the faces ----------------------------------------------------------------------------------------------------------


def run_engine(
    case: Case,
    *,
    reward: str | None = None,
    interpreted: bool = False,
    scheme: Any = None,
    environment: TradingEnvironment | None = None,
) -> EngineRun:
    """Run the script of a case through an environment, to the end of the episode."""
    reward = reward or reward_of(case)
    environment = environment or environment_of(case, reward=reward, interpreted=interpreted, scheme=scheme)
    run, ids = EngineRun(reward), _Ids()
    for entry, result in zip(case.steps, case.results, strict=True):
        cancelled = [environment.exchange.cancel(number) for number in ids.to_cancel(entry)]
        answers = environment.exchange.submit([order_of(request) for request in entry.get("submit", ())])
        observation, paid, terminated, truncated, info = environment.step(_action(entry.get("action")))
        step = _state_step(environment.exchange, answers, cancelled, info)
        step.observation, step.reward, step.flags = observation, paid, (terminated, truncated)
        run.steps.append(step)
        ids.learn(result)
        if terminated or truncated:
            break  # too early, if the reference goes on: the comparison says so
    return run


def run_scheme(case: Case, *, interpreted: bool = False) -> EngineRun:
    """The same for a scheme in plain Python that places the script's orders itself."""
    scheme = Scripted([[order_of(request) for request in entry["submit"]] for entry in case.steps])
    environment = environment_of(case, interpreted=interpreted, scheme=scheme)
    run, ids = EngineRun(reward_of(case)), _Ids()
    for entry, result in zip(case.steps, case.results, strict=True):
        cancelled = [environment.exchange.cancel(number) for number in ids.to_cancel(entry)]
        observation, paid, terminated, truncated, info = environment.step(0)
        step = _state_step(environment.exchange, [], cancelled, info)
        step.observation, step.reward, step.flags = observation, paid, (terminated, truncated)
        run.steps.append(step)
        ids.learn(result)
        if terminated or truncated:
            break  # too early, if the reference goes on: the comparison says so
    return run


def run_exchange(case: Case) -> EngineRun:
    """Run a script of orders through an exchange without an environment: submit, match, mark."""
    exchange = exchange_of(case)
    exchange.reset(EPOCH + case.start_row * _step_of(case))
    run, ids = EngineRun(""), _Ids()
    for entry, result in zip(case.steps, case.results, strict=True):
        count = len(exchange.trades)
        cancelled = [exchange.cancel(number) for number in ids.to_cancel(entry)]
        answers = exchange.submit([order_of(request) for request in entry["submit"]])
        exchange.match()
        exchange.mark()
        account = exchange._open_state()[0].accounts[0]
        names = MONEY if case.parameters.margin is None else MONEY + MARGIN_MONEY
        info: dict[str, Any] = {name: float(account[name]) for name in names}
        info["available_cash"] = exchange.balance
        info["filled_orders"] = exchange.trades[count:]
        info["rejected_orders"] = [answer for answer in answers if answer["status"] == "rejected"]
        run.steps.append(_state_step(exchange, answers, cancelled, info))
        ids.learn(result)
    return run


def _state_step(
    exchange: SimulatedExchange, answers: list[dict[str, Any]], cancelled: list[bool], info: dict[str, Any]
) -> EngineStep:
    positions = exchange._open_state()[0].positions[0]
    held, locked, entries = (positions[name].tolist() for name in ("quantity", "locked", "average_entry"))
    return EngineStep(answers, cancelled, info, held, locked, entries, exchange.open_orders)


class _Ids:
    """The ids of a script's orders, by submission and leg."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, str], int] = {}

    def to_cancel(self, entry: Mapping[str, Any]) -> list[int]:
        return [self.known.get(tuple(one), NO_SUCH_ORDER) for one in entry.get("cancel", ())]

    def learn(self, result: StepResult) -> None:
        self.known.update({(one.order, one.leg): one.number for one in result.fills})
        self.known.update({(one.order, one.leg): one.number for one in result.open_orders})


# ---- the world ----------------------------------------------------------------------------------------------------------


def agreed_case(seed: int, kind: str = "orders", knobs: Knobs | None = None) -> Case:
    """A generated case in which the reference slips by the engine's draws."""
    return build_case(seed, kind, knobs, draw=engine_draw(seed))


def engine_draw(seed: int) -> Any:
    """The engine's own draws of the first episode of a seed, as (step, order number) -> u."""

    def draw(step: int, number: int) -> float:
        with np.errstate(over="ignore"):  # 64-bit counters wrap around on purpose
            if number < 0:
                return float(uniform(np.uint64(seed), 0, step, LIQUIDATION_STREAM, -1 - number))
            return float(uniform(np.uint64(seed), 0, step, SLIPPAGE_STREAM, number))

    return draw


def reward_of(case: Case) -> str:
    """A reward that depends on the functions of the case alone, so that few combinations are compiled."""
    # fixed slippage and half a spread share their kernel
    place = ("none", "fixed", "half_spread", "uniform", "volume_share", "square_root").index(case.model)
    place -= case.model == "half_spread"
    schemes = ("NoneType", "HoldBuySell", "Continuous", "TargetPositions", "Portfolio")
    return REWARDS[(place + schemes.index(type(case.parameters.scheme).__name__)) % len(REWARDS)]


def environment_of(
    case: Case,
    *,
    reward: Any = None,
    interpreted: bool = False,
    scheme: Any = None,
    slippage: Any = None,
    steps_per_action: int = 1,
) -> TradingEnvironment:
    """The case as an environment that has just been reset with the case's seed."""
    parameters = case.parameters
    environment = TradingEnvironment(
        exchange_of(case, slippage),
        scheme or _scheme(parameters.scheme),
        reward or reward_of(case),
        ACCOUNT_FEATURES,
        lookback_window=1,
        start_time=EPOCH + case.start_row * _step_of(case),
        max_loss=parameters.max_loss,
        episode_end=parameters.episode_end,
        steps_per_action=steps_per_action,
        interpreted=interpreted,
    )
    environment.reset(seed=case.seed)
    return environment


def exchange_of(case: Case, slippage: Any = None) -> SimulatedExchange:
    """The case's candles, costs and filters; `slippage` takes the place of its model."""
    parameters = case.parameters
    return SimulatedExchange(
        candles_of(case),
        starting_balance=parameters.starting_balance,
        fee_rate=FeeSchedule(
            parameters.fee_rate, parameters.maker_fee_rate, parameters.fee_per_trade, parameters.fee_minimum
        ),
        slippage=slippage or _model(parameters.slippage),
        fill_at=parameters.fill_at,
        instruments=_instruments(case),
        max_volume_share=parameters.max_volume_share,
        max_open_orders=OPEN_ORDERS,
        account=_account(case),
    )


def candles_of(case: Case) -> Candles:
    """The case's candles; gaps are rows that the source does not have."""
    times = EPOCH + _step_of(case) * np.arange(len(case.series[0]), dtype=np.int64)
    parts = []
    for index, one in enumerate(case.series):
        there = ~np.array(one.gap)
        columns = (np.array(getattr(one, name))[there] for name in ("open", "high", "low", "close", "volume"))
        end, timeframe = int(times[-1]) + _step_of(case), TIMEFRAMES[case.parameters.bars_per_day]
        parts.append(Candles.from_arrays(symbol_name(index), timeframe, times[there], *columns, end=end))
    return Candles.merge(parts)


def order_of(request: Mapping[str, Any]) -> Order:
    """An order of a script as the exchange takes it."""
    price, stop, take = (request.get(name) for name in ("price", "stop_price", "take_price"))
    return Order(
        symbol_name(request["symbol"]), request["side"], request["quantity"], request["type"], price, stop, take
    )


def symbol_name(index: int) -> str:
    """The symbols of a case by name; one beyond the last is a name that the exchange does not know."""
    return f"SYMBOL{index}"


def time_of(case: Case, row: int) -> int:
    """The open of a row, in microseconds."""
    return EPOCH + row * _step_of(case)


def _account(case: Case) -> MarginAccount | None:
    terms = case.parameters.margin
    if terms is None:
        return None
    # row 0 opens at EPOCH, a midnight: the reference's `first_hour` is 0
    given = {name: value for name, value in vars(terms).items() if name not in ("first_hour", "funding_history")}
    if terms.funding_history is not None:
        # venues write a funding time down some milliseconds late
        series = [
            [(EPOCH + hour * HOUR + hour % 3 * 7_000, rate) for hour, rate in history.items()]
            for history in terms.funding_history
        ]
        named = {symbol_name(index): one for index, one in enumerate(series)}
        given["funding_rate"] = FundingRates(series[0] if len(series) == 1 else named, missing="zero")
    return MarginAccount(**given)


def _step_of(case: Case) -> int:
    return 86_400_000_000 // case.parameters.bars_per_day


def _action(action: Any) -> Any:
    if action is None:
        return 0
    if isinstance(action, float):
        return np.array([action])
    return np.array(action) if isinstance(action, list) else action


def _model(model: Any) -> Any:
    names = {"amount": "fraction"}
    return getattr(models, type(model).__name__)(**{names.get(k, k): value for k, value in vars(model).items()})


def _scheme(scheme: Any) -> Any:
    name = type(scheme).__name__
    if name == "HoldBuySell":
        return HoldBuySell(scheme.position_size)
    if name == "Continuous":
        return ContinuousOrder(scheme.position_size, scheme.dead_zone)
    if name == "Portfolio":
        return PortfolioWeights(scheme.threshold)
    return Idle() if scheme is None else TargetPosition(scheme.targets, scheme.threshold)


def _instruments(case: Case) -> dict[str, Instrument]:
    rules = [case.parameters.instrument(index) for index in range(len(case.series))]
    names = [symbol_name(index) for index in range(len(case.series))]
    return {
        name: Instrument(name, **{filter_name: value or 0.0 for filter_name, value in vars(rule).items()})
        for name, rule in zip(names, rules, strict=True)
    }
