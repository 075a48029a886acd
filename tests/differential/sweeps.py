"""What is compared with the Decimal ledger: sweeps of random cases, each with a knob held fixed."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from adapter import agreed_case, engine_draw, run_engine, run_exchange, run_scheme
from comparison import compare
from generate import MODELS, Knobs, build_case

SCHEMES = ("hold_buy_sell", "continuous", "target_position", "portfolio")


@dataclass(frozen=True)
class Sweep:
    """Cases of one kind, run through one face of the engine: environment, exchange or scheme."""

    kind: str
    knobs: Knobs
    face: str = "environment"


SWEEPS: dict[str, Sweep] = {
    **{f"orders, {model} slippage": Sweep("orders", Knobs(model=model)) for model in MODELS},
    "orders at the last close": Sweep("orders", Knobs(fill_at="close")),
    "orders on lots and ticks": Sweep("orders", Knobs(instruments=True)),
    "orders with capped volume": Sweep("orders", Knobs(volume_share=True)),
    "orders without fees": Sweep("orders", Knobs(fee_rate=0.0, model="none")),
    "orders with maker fees": Sweep("orders", Knobs(maker_fee_rate=True, fee_rate=0.01)),
    "orders with a fee schedule": Sweep("orders", Knobs(fee_amounts=True)),
    "orders with a fee schedule and capped volume": Sweep("orders", Knobs(fee_amounts=True, volume_share=True)),
    "orders with a fee schedule on lots and ticks": Sweep("orders", Knobs(fee_amounts=True, instruments=True)),
    **{
        f"orders and actions with a fee schedule, {name}": Sweep(
            "mixed", Knobs(fee_amounts=True, scheme=name, model="volume_share")
        )
        for name in SCHEMES
    },
    "orders up to a largest quantity": Sweep("orders", Knobs(largest=True, instruments=True)),
    "orders and actions up to a largest quantity": Sweep(
        "mixed", Knobs(largest=True, scheme="portfolio", model="volume_share")
    ),
    "orders between a least and a most": Sweep("orders", Knobs(limits=True)),
    "orders between a least and a most on lots and ticks": Sweep("orders", Knobs(limits=True, instruments=True)),
    "orders and actions between a least and a most": Sweep(
        "mixed", Knobs(limits=True, scheme="portfolio", model="volume_share")
    ),
    "orders until ruin": Sweep("orders", Knobs(ruin=True)),
    "orders over 150 steps": Sweep("orders", Knobs(steps=150)),
    "orders on three symbols": Sweep("orders", Knobs(symbols=3)),
    **{f"actions, {name}": Sweep("actions", Knobs(scheme=name, model="volume_share")) for name in SCHEMES},
    **{f"orders and actions, {name}": Sweep("mixed", Knobs(scheme=name, model="volume_share")) for name in SCHEMES},
    "actions on lots and ticks": Sweep("actions", Knobs(scheme="portfolio", model="volume_share", instruments=True)),
    "actions with capped volume": Sweep("mixed", Knobs(scheme="continuous", model="volume_share", volume_share=True)),
    "actions with drawn slippage": Sweep("mixed", Knobs(scheme="portfolio", model="uniform")),
    "actions over 150 steps": Sweep("actions", Knobs(scheme="hold_buy_sell", model="volume_share", steps=150)),
    "the exchange alone": Sweep("orders", Knobs(), face="exchange"),
    # a leg of a scheme's own market order has its parent's slippage in its first candle: a fixed fraction is the same
    "orders of a scheme in Python": Sweep(
        "orders", Knobs(model="fixed", orders_per_step=1, unknown_symbols=False), face="scheme"
    ),
}

MARGIN_SWEEPS: dict[str, Sweep] = {
    **{f"margin orders, {model} slippage": Sweep("orders", Knobs(margin=True, model=model)) for model in MODELS},
    "margin orders at the last close": Sweep("orders", Knobs(margin=True, model="fixed", fill_at="close")),
    "margin orders on lots and ticks": Sweep("orders", Knobs(margin=True, model="fixed", instruments=True)),
    "margin orders with capped volume": Sweep("orders", Knobs(margin=True, model="fixed", volume_share=True)),
    "margin orders with maker fees": Sweep(
        "orders", Knobs(margin=True, model="fixed", fee_rate=0.01, maker_fee_rate=True)
    ),
    "margin orders with a fee schedule": Sweep("orders", Knobs(margin=True, fee_amounts=True)),
    "margin actions with a fee schedule": Sweep(
        "mixed", Knobs(margin=True, fee_amounts=True, scheme="target_position", model="volume_share")
    ),
    "margin actions up to a largest quantity": Sweep(
        "mixed", Knobs(margin=True, largest=True, scheme="target_position", model="volume_share")
    ),
    "margin orders with a history of funding": Sweep("orders", Knobs(margin=True, funding=True)),
    "margin orders on three symbols with a history of funding": Sweep(
        "orders", Knobs(margin=True, funding=True, symbols=3)
    ),
    "margin actions with a history of funding": Sweep(
        "mixed", Knobs(margin=True, funding=True, scheme="target_position", model="volume_share")
    ),
    "a margin exchange alone with a history of funding": Sweep(
        "orders", Knobs(margin=True, funding=True), face="exchange"
    ),
    "margin orders between a least and a most": Sweep("orders", Knobs(margin=True, limits=True)),
    "margin actions between a least and a most": Sweep(
        "mixed", Knobs(margin=True, limits=True, scheme="target_position", model="volume_share")
    ),
    "margin orders until ruin": Sweep("orders", Knobs(margin=True, model="fixed", ruin=True)),
    "margin orders of fragile accounts": Sweep("orders", Knobs(margin=True, model="uniform", fragile=True)),
    "margin orders over 150 steps": Sweep("orders", Knobs(margin=True, model="fixed", steps=150)),
    "margin orders on three symbols": Sweep("orders", Knobs(margin=True, model="fixed", symbols=3)),
    **{
        f"margin {kind}, {name}": Sweep(kind, Knobs(margin=True, scheme=name, model="volume_share"))
        for kind in ("actions", "mixed")
        for name in SCHEMES
    },
    "margin target positions with drawn slippage": Sweep(
        "mixed", Knobs(margin=True, scheme="target_position", model="uniform")
    ),
    "a margin exchange alone": Sweep("orders", Knobs(margin=True), face="exchange"),
    # fixed slippage for the same reason as on a spot account
    "margin orders of a scheme in Python": Sweep(
        "orders",
        Knobs(margin=True, model="fixed", orders_per_step=1, unknown_symbols=False),
        face="scheme",
    ),
}


@dataclass
class Tally:
    """What came of some cases."""

    differences: list[str] = field(default_factory=list)
    worst: dict[str, float] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, other: Any) -> None:
        """Take in another tally or one comparison."""
        self.differences.extend(other.differences)
        self.counts.update(other.counts)
        for name, off in other.worst.items():
            self.worst[name] = max(self.worst.get(name, 0.0), off)


def run_sweep(sweep: Sweep, seeds: Iterable[int]) -> Tally:
    """Compare the engine with the reference on a sweep's cases."""
    tally = Tally()
    for seed in seeds:
        if sweep.face == "exchange":
            # its account has no seed of an environment: 0
            case = build_case(seed, sweep.kind, sweep.knobs, draw=engine_draw(0))
            tally.add(compare(case, run_exchange(case)))
        else:
            case = agreed_case(seed, sweep.kind, sweep.knobs)
            tally.add(compare(case, run_scheme(case) if sweep.face == "scheme" else run_engine(case)))
    return tally
