"""A seeded generator of random worlds and random scripts of orders or actions, with the Decimal ledger's answer to each.

    case = build_case(seed=7)                     # orders of every type, brackets, cancellations, dust, over-sized orders
    case = build_case(seed=7, kind="actions")     # one of the action schemes
    case = build_case(seed=7, kind="mixed")       # both: orders, then an action
    for entry in case.steps: ...                  # {"submit": [...], "cancel": [...], "action": ...}
    case.results                                  # the StepResult of every step

A script is plain data: it can be run by any other engine on `case.series` from `case.start_row`. The generator looks at the
reference's account while it writes the script, so that orders are often near what the account can pay, and at future candles,
so that limits are often exactly at a low or a high.
"""

import math
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from decimal_ledger import (
    Continuous,
    Episode,
    FixedSlippage,
    HalfSpreadSlippage,
    HoldBuySell,
    Instrument,
    MarginTerms,
    NoSlippage,
    OrderRequest,
    Parameters,
    Portfolio,
    Series,
    SquareRootSlippage,
    StepResult,
    TargetPositions,
    UniformSlippage,
    VolumeShareSlippage,
)
from margin_scripts import margin_order, margin_terms, on_tick, price_near, with_funding_history
from reference.inputs import Draw

MODELS = ("volume_share", "none", "fixed", "half_spread", "uniform", "square_root")
ORDER_TYPES = ("market", "limit", "stop_loss", "take_profit")


@dataclass(frozen=True)
class Knobs:
    """What may occur. None lets the seed choose; a value holds it fixed."""

    steps: int = 40
    symbols: int | None = None
    model: str | None = None
    fill_at: str | None = None
    balance: float | None = None
    fee_rate: float | None = None
    maker_fee_rate: bool | None = None
    brackets: bool = True
    volume_share: bool | None = None
    instruments: bool | None = None
    scheme: str | None = None
    ruin: bool | None = None
    orders_per_step: int = 3
    unknown_symbols: bool = True
    margin: bool = False
    fragile: bool = False
    fee_amounts: bool = False
    largest: bool = False
    funding: bool = False
    limits: bool = False


@dataclass
class Case:
    """A world, a script, and what the reference says about it."""

    seed: int
    kind: str
    model: str
    series: list[Series]
    start_row: int
    parameters: Parameters
    steps: list[dict[str, Any]] = field(default_factory=list)
    results: list[StepResult] = field(default_factory=list)
    episode: Episode | None = None


def build_case(seed: int, kind: str = "orders", knobs: Knobs | None = None, draw: Draw | None = None) -> Case:
    """A random world with a random script; the same seed, kind and knobs give the same case everywhere.

    `draw` takes the place of the draws of UniformSlippage: another engine's own.
    """
    knobs = knobs or Knobs()
    random = Random(f"tradeready/{kind}/{seed}")
    balance = knobs.balance or 10 ** random.uniform(3, 10)
    bars_per_day = random.choice((24, 24, 6, 1))
    filtered = random.random() < 0.25 if knobs.instruments is None else knobs.instruments
    symbols = knobs.symbols or random.choice((1, 1, 2, 3))
    if knobs.scheme not in (None, "portfolio"):
        symbols = 1
    model = knobs.model or random.choice(MODELS)
    levels = [10 ** random.uniform(-3, 5) for _ in range(symbols)]
    instruments = tuple(_instrument(random, level, balance) for level in levels) if filtered else ()
    if knobs.largest:
        wanted = (balance / level * random.choice((0.01, 0.1, 0.5)) for level in levels)
        plain = instruments or (Instrument(),) * symbols
        instruments = tuple(replace(one, max_quantity=most) for one, most in zip(plain, wanted, strict=True))
    if knobs.limits:
        plain = instruments or (Instrument(),) * symbols
        instruments = tuple(_limited(random, one, level, balance) for one, level in zip(plain, levels, strict=True))
    start_row = bars_per_day + 1  # the daily volatility needs the close before the day
    rows = start_row + knobs.steps
    ticks = [_tick(instruments[i] if filtered else None, level) for i, level in enumerate(levels)]
    series = [_series(random, rows, level, tick, balance) for level, tick in zip(levels, ticks, strict=True)]
    capped = random.random() < 0.2 if knobs.volume_share is None else knobs.volume_share
    parameters = Parameters(
        starting_balance=balance,
        fee_rate=random.choice((0.0, 0.0005, 0.001, 0.01)) if knobs.fee_rate is None else knobs.fee_rate,
        slippage=_model(random, model),
        fill_at=knobs.fill_at or random.choice(("next_open", "next_open", "next_open", "close")),
        max_volume_share=random.choice((0.001, 0.05, 0.5)) if capped else None,
        instruments=instruments,
        max_loss=1.0,
        bars_per_day=bars_per_day,
        draw=draw or draw_of(seed),
    )
    if random.random() < 0.1 if knobs.ruin is None else knobs.ruin:
        endings = ("documented", "gymnasium")
        parameters = replace(parameters, max_loss=random.choice((0.01, 0.1)), episode_end=random.choice(endings))
    makes = random.random() < 0.5 if knobs.maker_fee_rate is None else knobs.maker_fee_rate
    if makes:
        shares = (0.0, 0.5, 1.0, 3.0) if knobs.margin else (0.0, 0.5, 1.0)
        parameters = replace(parameters, maker_fee_rate=parameters.fee_rate * random.choice(shares))
    if knobs.fee_amounts:
        amounts = [balance * random.choice((0.0, 1e-6, 1e-4, 3e-3)) for _ in range(2)]
        parameters = replace(parameters, fee_per_trade=amounts[0], fee_minimum=amounts[1])
    if knobs.margin:
        terms = margin_terms(random, fragile=knobs.fragile)
        if knobs.funding:
            terms = with_funding_history(random, terms, symbols, rows * 24 // bars_per_day)
        parameters = replace(parameters, margin=terms)
    case = Case(seed, kind, model, series, start_row, parameters)
    _write_script(random, case, knobs, ticks)
    return case


def draw_of(seed: int) -> Draw:
    """The draws of UniformSlippage in a case, unless another engine's own take their place."""
    return lambda step, number: Random(f"draw/{seed}/{step}/{number}").random()


def replay(case: Case) -> list[StepResult]:
    """Run the case's script through a fresh reference."""
    episode = Episode(case.series, start_row=case.start_row, parameters=case.parameters)
    return [episode.step(**entry) for entry in case.steps]


# ---- worlds ---------------------------------------------------------------------------------------------------------


def _series(random: Random, rows: int, level: float, tick: float, balance: float) -> Series:
    one = Series([], [], [], [], [], [])
    volatility = 10 ** random.uniform(-3, -1.3)
    depth = balance * 10 ** random.uniform(-2, 4)
    long_halts = random.random() < 0.15
    previous, halted = on_tick(level, tick), 0
    for row in range(rows):
        if halted == 0 and row > 0 and random.random() < 0.03:
            halted = random.choice((1, 1, 2, 30 if long_halts else 4))
        if halted > 0:
            halted -= 1
            _append(one, (previous, previous, previous, previous), 0.0, gap=random.random() < 0.7)
            continue
        candle = _candle(random, previous, volatility, tick)
        volume = depth / candle[3] * math.exp(random.gauss(0, 1))
        _append(one, candle, 0.0 if random.random() < 0.03 else volume, gap=False)
        previous = candle[3]
    return one


def _candle(random: Random, previous: float, volatility: float, tick: float) -> tuple[float, float, float, float]:
    jump = random.gauss(0, 4 * volatility) if random.random() < 0.2 else 0.0
    first = on_tick(previous * math.exp(jump), tick)
    if random.random() < 0.05:
        return first, first, first, first
    last = on_tick(first * math.exp(random.gauss(0, volatility)), tick)
    high = on_tick(max(first, last) * math.exp(abs(random.gauss(0, volatility / 2))), tick)
    low = on_tick(min(first, last) * math.exp(-abs(random.gauss(0, volatility / 2))), tick)
    return first, max(high, first, last), min(low, first, last), last


def _append(one: Series, candle: tuple[float, float, float, float], volume: float, *, gap: bool) -> None:
    for column, value in zip((one.open, one.high, one.low, one.close), candle, strict=True):
        column.append(value)
    one.volume.append(volume)
    one.gap.append(gap)


def _tick(instrument: Instrument | None, level: float) -> float:
    if instrument is not None and instrument.tick_size is not None:
        return instrument.tick_size
    return 10.0 ** (math.floor(math.log10(level)) - 4)


def _instrument(random: Random, level: float, balance: float) -> Instrument:
    magnitude = math.floor(math.log10(level))
    return Instrument(
        lot_size=random.choice((None, 10.0 ** math.floor(math.log10(balance / level) - random.choice((1, 2, 5, 8))))),
        tick_size=random.choice(
            (None, 10.0 ** (magnitude - 4), 2.5 * 10.0 ** (magnitude - 3), 10.0 ** (magnitude - 7))
        ),
        min_notional=random.choice((None, balance * 1e-4)),
    )


def _limited(random: Random, rule: Instrument, level: float, balance: float) -> Instrument:
    least = balance / level * random.choice((0.001, 0.02, 0.1))
    return replace(
        rule,
        min_quantity=random.choice((None, least, least)),
        max_quantity=random.choice((None, None, least * 20)),
        max_notional=random.choice((None, balance * 0.15, balance * 0.6)),
    )


def _model(random: Random, name: str) -> Any:
    return {
        "volume_share": VolumeShareSlippage(random.choice((0.1, 0.02, 1.0))),
        "none": NoSlippage(),
        "fixed": FixedSlippage(random.choice((0.0, 0.0001, 0.01))),
        "half_spread": HalfSpreadSlippage(random.choice((0.0002, 0.01))),
        "uniform": UniformSlippage(random.choice((0.001, 0.02))),
        "square_root": SquareRootSlippage(random.choice((0.3, 1.0))),
    }[name]


# ---- scripts --------------------------------------------------------------------------------------------------------


def _write_script(random: Random, case: Case, knobs: Knobs, ticks: list[float]) -> None:
    scheme = None
    if case.kind != "orders":
        scheme = _scheme(random, len(case.series), knobs.scheme, case.parameters.margin)
    case.parameters = replace(case.parameters, scheme=scheme)
    episode = Episode(case.series, start_row=case.start_row, parameters=case.parameters)
    case.episode = episode
    while not episode.over:
        entry: dict[str, Any] = {}
        if case.kind != "actions":
            count = min(random.choice((0, 0, 1, 1, 2, 3)), knobs.orders_per_step)
            entry["cancel"] = _cancellations(random, episode)
            write = margin_order if knobs.margin else _order
            entry["submit"] = [write(random, episode, knobs, ticks) for _ in range(count)]
        if case.kind != "orders":
            entry["action"] = _action(random, scheme, len(case.series))
        case.steps.append(entry)
        case.results.append(episode.step(**entry))


def _scheme(random: Random, symbols: int, name: str | None, margin: MarginTerms | None) -> Any:
    if symbols > 1:
        return Portfolio(random.choice((0.01, 0.1)))
    size = random.choice((0.1, 0.5, 1.0))
    schemes = {
        "hold_buy_sell": HoldBuySell(size),
        "continuous": Continuous(size),
        "target_position": TargetPositions((0.0, 0.3, 0.5, 1.0)),
        "portfolio": Portfolio(),
    }
    if margin is not None:
        most = margin.leverage
        schemes["target_position"] = TargetPositions((-most, -1.0, -0.3, 0.0, 0.5, 1.0, most))
    return schemes[name or random.choice(sorted(schemes))]


def _action(random: Random, scheme: Any, symbols: int) -> Any:
    if isinstance(scheme, HoldBuySell):
        return random.choice((0, 1, 1, 2))
    if isinstance(scheme, Continuous):
        return random.choice((random.uniform(-1.2, 1.2), random.uniform(-0.06, 0.06), 1.0, -1.0))
    if isinstance(scheme, TargetPositions):
        return random.randrange(len(scheme.targets))
    if random.random() < 0.3:
        return [random.choice((0.0, 1.0)) for _ in range(symbols)]
    return [random.uniform(-0.1, 1.1) for _ in range(symbols)]


def _cancellations(random: Random, episode: Episode) -> list[tuple[int, str]]:
    alive = [(order.order, order.leg) for order in episode.broker.book]
    chosen = [order for order in alive if random.random() < 0.05]
    if episode.broker.submissions and random.random() < 0.05:
        chosen.append((random.randrange(episode.broker.submissions), random.choice(("", "stop", "take"))))
    return chosen


def _order(random: Random, episode: Episode, knobs: Knobs, ticks: list[float]) -> OrderRequest:
    if random.random() < 0.01 and knobs.unknown_symbols:
        return {"symbol": len(ticks), "side": "buy", "type": "market", "quantity": 1.0}
    symbol = random.randrange(len(ticks))
    last = episode.series[symbol].close[episode.row - 1]
    kind = random.choice(ORDER_TYPES)
    held = float(episode.broker.account.unlocked(symbol))
    side = "sell" if (held > 0 and random.random() < 0.55) or random.random() < 0.03 else "buy"
    order: OrderRequest = {"symbol": symbol, "side": side, "type": kind, "quantity": 0.0}
    if kind != "market":
        order["price"] = price_near(random, episode, symbol, ticks[symbol])
    paid = order.get("price") or episode.series[symbol].open[episode.row]
    order["quantity"] = _quantity(random, episode, side, held, paid)
    if knobs.brackets and side == "buy" and random.random() < 0.4:
        below = [
            price for price in (price_near(random, episode, symbol, ticks[symbol]) for _ in range(4)) if price < last
        ]
        above = [
            price for price in (price_near(random, episode, symbol, ticks[symbol]) for _ in range(4)) if price > last
        ]
        order["stop_price"] = random.choice((min, max))(below) if below else None
        order["take_price"] = random.choice((min, max))(above) if above else None
        if random.random() < 0.02:
            order["stop_price"], order["take_price"] = last, last
        if random.random() < 0.02:
            order["side"] = "sell"
    return order


def _quantity(random: Random, episode: Episode, side: str, held: float, price: float) -> float:
    cash = float(episode.broker.account.cash)
    wild = random.random()
    if wild < 0.04:
        return random.choice((0.0, -1.0, math.nan, math.inf))
    if wild < 0.08:
        return episode.parameters.starting_balance * 10 ** random.uniform(-13, -10) / max(price, 1e-9)
    if not (math.isfinite(price) and price > 0):
        price = episode.series[0].close[episode.row - 1]
    if side == "sell":
        return held * random.choice((1.0, 1.0, 0.5, random.random(), 1.0001, 3.0))
    if wild < 0.12:
        return cash / (price * (1.0 + episode.parameters.fee_rate))  # to the last digit
    return cash / price * random.choice((0.02, 0.1, 0.1, 0.3, 0.5, random.random(), 0.95, 1.02, 3.0))
