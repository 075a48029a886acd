"""Where the engine and the Decimal ledger differ: every number of every step, in money relative to the account."""

from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from typing import Any

from adapter import EngineRun, EngineStep, symbol_name, time_of
from decimal_ledger import StepResult
from generate import Case
from reference import rewards
from reference.inputs import exact, exact_context
from reference.metrics import episode_metrics, round_trips

from tradeready_gym.market import format_time, parse_time

TOLERANCE = 1e-9
SINGLE = 1e-6  # observations are float32
RETURN_RESOLUTION = 1e-15  # a deviation of returns below this is rounding


@dataclass
class Comparison:
    """`differences` in words; the largest difference by name, also of those that are small enough; what was compared."""

    differences: list[str] = field(default_factory=list)
    worst: dict[str, float] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    where: str = ""

    def same(self, name: str, ours: Any, theirs: Any) -> None:
        """Two things that must be equal."""
        if ours != theirs:
            self.differences.append(f"{self.where}: {name}: engine {ours!r}, reference {theirs!r}")

    def close(
        self, name: str, ours: float, theirs: Decimal | float, scale: float, tolerance: float = TOLERANCE
    ) -> None:
        """Two numbers that may differ by `tolerance` of `scale`."""
        off = abs(ours - float(theirs)) / scale if scale else float(ours != float(theirs))
        self.worst[name] = max(self.worst.get(name, 0.0), off)
        if not off <= tolerance:
            self.differences.append(f"{self.where}: {name}: engine {ours!r}, reference {float(theirs)!r} ({off:.1e})")


def compare(case: Case, run: EngineRun) -> Comparison:
    """Everything that the engine has said of a case against the reference."""
    found = Comparison()
    found.counts.update(cases=1, steps=len(run.steps))
    for result, step in zip(case.results, run.steps, strict=False):
        found.where = f"{case.kind} {case.seed} step {result.step}"
        scale = max(float(result.equity), case.parameters.starting_balance)
        _compare_events(found, case, result, step, scale)
        _compare_account(found, case, result, step, scale)
        _compare_book(found, case, result, step, scale)
        if step.flags is not None:
            _compare_report(found, case, result, step)
        if found.differences:
            return found  # what follows a difference differs
    found.where = f"{case.kind} {case.seed}"
    found.same("number of steps", len(run.steps), len(case.results))
    if found.differences:
        return found
    if run.reward_scheme:
        _compare_rewards(found, case, run)
        _compare_metrics(found, case, run)
    return found


def _compare_events(found: Comparison, case: Case, result: StepResult, step: EngineStep, scale: float) -> None:
    ours = [(one["order_id"], one["symbol"], one["side"], one["type"]) for one in step.info["filled_orders"]]
    theirs = [(one.number, symbol_name(one.symbol), one.side, one.type) for one in result.fills]
    found.same("fills", ours, theirs)
    names = [symbol_name(j) for j in range(len(case.series))]
    rejected = step.info["rejected_orders"]
    refused = [(one["order_id"], one["symbol"] in names and one["symbol"], one["reason"]) for one in rejected]
    known = [one.symbol < len(names) and symbol_name(one.symbol) for one in result.rejects]
    refusals = [(one.number, name, one.reason) for one, name in zip(result.rejects, known, strict=True)]
    found.same("rejects", refused, refusals)
    if step.answers:
        found.same("answers", [one["status"] for one in step.answers], _statuses(case, result))
    if found.differences:
        return
    for fill, one in zip(step.info["filled_orders"], result.fills, strict=True):
        value = float(one.price)
        found.close("fill price", fill["price"], one.price, value)
        found.close("fill quantity", fill["quantity"] * value, one.quantity * one.price, scale)
        found.close("fill fee", fill["fee"], one.fee, scale)
        found.close("fill slippage", fill["slippage_pct"] / 100.0, one.model_slippage, 1.0)
        found.close("fill realized_pnl", fill["realized_pnl"], one.realized_pnl, scale)
        found.same("filled_at", parse_time(fill["filled_at"]), time_of(case, one.row))
        found.counts[f"fill {one.side} {one.type}{' of a bracket' if one.leg else ''}"] += 1
        found.counts["fills"] += 1
    for refusal in result.rejects:
        found.counts[f"reject {refusal.reason}"] += 1
        found.counts["rejects"] += 1


def _statuses(case: Case, result: StepResult) -> list[str]:
    """What the reference says of a step's submissions, in the words of the exchange's answers."""
    first = case.results[result.step - 1].submissions if result.step else 0
    refused = {one.order for one in result.rejects}
    filled = {one.order for one in result.fills if not one.leg}
    words = []
    for order, request in enumerate(case.steps[result.step].get("submit", ()), first):
        if order in refused:
            words.append("rejected")
        elif request["type"] != "market":
            words.append("pending")
        else:
            words.append("filled" if order in filled else "cancelled")
    return words


def _compare_account(found: Comparison, case: Case, result: StepResult, step: EngineStep, scale: float) -> None:
    info = step.info
    for name, value in (
        ("equity", result.equity),
        ("available_cash", result.cash),
        ("locked_cash", result.locked_cash),
        ("position_value", result.position_value),
        ("unrealized_pnl", result.unrealized_pnl),
        ("realized_pnl", result.realized_pnl),
        ("fees_paid", result.fees_paid),
    ):
        found.close(name, info[name], value, scale)
    if case.parameters.margin is not None:
        found.close("financing_paid", info["financing_paid"], result.financing_paid, scale)
        found.close("bankruptcy_loss", info["bankruptcy_loss"], result.bankruptcy_loss, scale)
        _count_margin(found, case, result)
    found.same("no cash locked", info["locked_cash"] == 0.0, result.locked_cash == 0)
    for j, series in enumerate(case.series):
        close = series.close[result.row]
        quantity, locked = result.positions[j], result.locked_positions[j]
        found.close("position", step.positions[j] * close, float(quantity) * close, scale)
        if case.parameters.margin is None:
            found.close("locked position", step.locked_positions[j] * close, float(locked) * close, scale)
            found.same("nothing locked", step.locked_positions[j] == 0.0, locked == 0)
        found.close("average entry", step.average_entries[j], result.average_entries[j], close)
        found.same("flat", step.positions[j] == 0.0, quantity == 0)
    if step.observation is not None:
        _compare_scalars(found, case, result, step)


def _count_margin(found: Comparison, case: Case, result: StepResult) -> None:
    terms, before = case.parameters.margin, case.results[result.step - 1] if result.step else None
    assert terms is not None
    paid = result.financing_paid - (before.financing_paid if before else 0)
    kind = "interest" if terms.funding_rate is None else "funding"
    held = before.positions if before else [Decimal(0)] * len(result.positions)
    found.counts[f"paid {kind}"] += paid > 0
    found.counts[f"received {kind}"] += paid < 0
    found.counts["bankruptcy"] += result.bankruptcy_loss > (before.bankruptcy_loss if before else 0)
    found.counts["turn"] += any(q * was < 0 for q, was in zip(result.positions, held, strict=True))
    found.counts["short"] += any(quantity < 0 for quantity in result.positions)


def _compare_scalars(found: Comparison, case: Case, result: StepResult, step: EngineStep) -> None:
    # a share of an equity that is almost gone is known as well as that equity
    blur = SINGLE + 1e-3 * TOLERANCE * case.parameters.starting_balance / max(float(result.equity), 1e-300)
    ours = [float(value) for value in step.observation[-(2 + len(result.positions)) :]]
    account = result.account
    position: Any = account["position"]
    theirs = [account["balance"], *position, account["unrealized_pnl"]]
    for ours_one, theirs_one in zip(ours, theirs, strict=True):
        found.close("account scalar", ours_one, theirs_one, max(1.0, abs(ours_one)), blur)


def _compare_book(found: Comparison, case: Case, result: StepResult, step: EngineStep, scale: float) -> None:
    ours = [(one["order_id"], one["symbol"], one["side"], one["type"]) for one in step.open_orders]
    theirs = [(one.number, symbol_name(one.symbol), one.side, one.type) for one in result.open_orders]
    found.same("open orders", ours, theirs)
    before = case.results[result.step - 1].open_orders if result.step else []
    alive = {(one.order, one.leg) for one in before}
    found.same("cancelled", step.cancelled, _cancelled(case.steps[result.step].get("cancel", ()), alive))
    if found.differences:
        return
    for order, one in zip(step.open_orders, result.open_orders, strict=True):
        close = case.series[one.symbol].close[result.row]
        found.close("open quantity", order["quantity"] * close, float(one.quantity) * close, scale)
        if one.side == "buy" and case.parameters.margin is None:
            found.close("order's lock", order["locked"], one.locked_cash, scale)


def _cancelled(wanted: Any, alive: set[tuple[int, str]]) -> list[bool]:
    answers = []
    for one in wanted:
        answers.append(one in alive)
        alive.discard(one)
    return answers


def _compare_report(found: Comparison, case: Case, result: StepResult, step: EngineStep) -> None:
    info, total = step.info, len(case.series[0]) - case.start_row
    found.same("flags", step.flags, (result.terminated, result.truncated))
    found.same("step", (info["step"], info["total_steps"]), (result.step + 1, total))
    found.same("progress_pct", info["progress_pct"], round(100 * (result.step + 1) / total, 2))
    found.same("virtual_time", info["virtual_time"], format_time(time_of(case, result.row + 1)))


def _compare_rewards(found: Comparison, case: Case, run: EngineRun) -> None:
    """On the engine's own equity: what is compared is the reward, not the equity once more."""
    curve = [exact(case.parameters.starting_balance), *(exact(step.info["equity"]) for step in run.steps)]
    if any(equity <= 0 for equity in curve):
        return
    name, scale = run.reward_scheme, 1.0
    if name == "composite":
        theirs = rewards.composite(curve, [bool(result.fills) for result in case.results])
    else:
        theirs = getattr(rewards, name)(curve)
    for step, reward in zip(run.steps, theirs, strict=True):
        scale = max(case.parameters.starting_balance, step.info["equity"]) if name == "pnl" else 1.0
        found.close(f"reward {name}", step.reward, reward, scale)
        found.counts[f"reward {name}"] += 1
    found.close("cumulative_reward", run.metrics["cumulative_reward"], sum(theirs, Decimal(0)), scale * len(theirs))


def _compare_metrics(found: Comparison, case: Case, run: EngineRun) -> None:
    """The formulas on the engine's own equity, the counts on the reference's fills."""
    ours, parameters = run.metrics, case.parameters
    steps = [replace(r, equity=exact(s.info["equity"])) for r, s in zip(case.results, run.steps, strict=True)]
    with localcontext(exact_context()):
        theirs: Any = episode_metrics(exact(parameters.starting_balance), steps, parameters.bars_per_day)
        trips = round_trips([fill for step in steps for fill in step.fills], len(case.series))
    start = parameters.starting_balance
    scale = max(float(max(step.equity for step in steps)), start)
    found.close("metric roi_pct", ours["roi_pct"], theirs["roi_pct"], 100.0 * scale / start)
    found.close("metric max_drawdown_pct", ours["max_drawdown_pct"], theirs["max_drawdown_pct"], 100.0)
    duration = theirs["max_drawdown_steps"]
    found.same("metric max_drawdown_duration", ours["max_drawdown_duration"], duration)
    found.close("metric duration in days", ours["max_drawdown_duration_days"], duration / parameters.bars_per_day, 1.0)
    for name in ("total_trades", "round_trips"):
        found.same(f"metric {name}", ours[name], theirs[name])
    if theirs["turnover"] is None:
        found.same("metric turnover", ours["turnover"], None)
    else:
        turnover = float(theirs["turnover"])
        found.close("metric turnover", ours["turnover"], turnover, max(turnover, 1.0))
    found.close("metric exposure", ours["exposure"], theirs["exposure"], 1.0)
    found.close("metric fees_paid", ours["fees_paid"], case.results[-1].fees_paid, scale)
    found.same("metric final_equity", ours["final_equity"], run.steps[-1].info["equity"])
    found.same("metric length", ours["length"], len(run.steps))
    _compare_ratios(found, ours, theirs, parameters.bars_per_day)
    _compare_trips(found, ours, trips, scale)


def _compare_ratios(found: Comparison, ours: Any, theirs: Any, bars_per_day: int) -> None:
    for name, spread in (("sharpe_ratio", "deviation"), ("sortino_ratio", "downside")):
        noise = float(theirs[spread] or 0.0)
        if noise <= 2 * RETURN_RESOLUTION:
            if noise < RETURN_RESOLUTION / 2:
                found.same(f"metric {name}", ours[name], None)
            continue
        # a return is known to a few units in the last place of 1, and so is what is divided by the deviation
        scale = max(1.0, abs(float(theirs[name]))) + 1e-6 * (365.25 * bars_per_day) ** 0.5 / (noise * 1e9)
        found.close(f"metric {name}", ours[name], theirs[name], scale)


def _compare_trips(found: Comparison, ours: Any, trips: list[Decimal], scale: float) -> None:
    nothing = exact(1e-12 * scale)
    won = sum(trip > nothing for trip in trips)
    undecided = sum(abs(trip) <= nothing for trip in trips)  # a trip of nothing may be rounded either way
    if not trips:
        found.same("metric win_rate", ours["win_rate"], None)
        return
    rate = ours["win_rate"] / 100.0 * len(trips)
    found.same("metric win_rate", won - 1e-6 <= rate <= won + undecided + 1e-6, True)
    gains = float(sum((trip for trip in trips if trip > 0), Decimal(0)))
    losses = -float(sum((trip for trip in trips if trip < 0), Decimal(0)))
    if ours["profit_factor"] is not None:
        found.close(
            "metric profit_factor",
            ours["profit_factor"] * losses,
            gains,
            max(scale, ours["profit_factor"] * 1e-3 * scale),
        )
    else:
        found.close("metric profit_factor", losses, 0.0, scale)
