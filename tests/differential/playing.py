"""Small hand-made scripts through both, the reference and the engine."""

from typing import Any

from adapter import EngineStep, engine_draw, run_engine, run_exchange
from comparison import compare
from decimal_ledger import Episode, FixedSlippage, NoSlippage, Parameters
from generate import Case
from worlds import series_of

FLAT = (100.0, 100.0, 100.0, 100.0)
Candle = tuple[float, float, float, float]


def played(
    candles: list[Candle],
    script: list[dict[str, Any]],
    *,
    volume: float = 1000.0,
    alone: bool = False,
    **parameters: Any,
) -> list[EngineStep]:
    """The steps of the engine, or of the exchange alone, after the reference has said the same of all of them."""
    series = series_of(*candles, volume=volume)
    settings = {"slippage": NoSlippage(), "bars_per_day": 1, "max_loss": 1.0, "draw": engine_draw(0), **parameters}
    kind = "orders" if settings.get("scheme") is None else "mixed"
    model = "fixed" if isinstance(settings["slippage"], FixedSlippage) else "none"
    case = Case(0, kind, model, [series], 1, Parameters(**settings))
    episode = Episode(case.series, start_row=1, parameters=case.parameters)
    case.steps, case.results = script, episode.results
    for entry in script:
        episode.step(**entry)
    assert episode.over, "a script has one entry for every candle"
    run = run_exchange(case) if alone else run_engine(case, reward="pnl", interpreted=True)
    assert compare(case, run).differences == []
    return run.steps


def submit(*orders: Any, **more: Any) -> dict[str, Any]:
    """One step of a script."""
    return {"submit": list(orders), **more}


def fills(step: EngineStep) -> list[tuple[str, float, float]]:
    """Side, quantity and price of the engine's fills."""
    return [(fill["side"], fill["quantity"], fill["price"]) for fill in step.info["filled_orders"]]


def reasons(step: EngineStep) -> list[str]:
    """Why the engine has refused orders."""
    return [refusal["reason"] for refusal in step.info["rejected_orders"]]
