"""`tradeready evaluate`."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tradeready_gym.cli.console import err, out
from tradeready_gym.cli.options import AllowNames, ContextFile
from tradeready_gym.cli.pages import page_in, write_page
from tradeready_gym.cli.tables import evaluations_table, sets_table

if TYPE_CHECKING:
    from tradeready_gym.exchanges import SimulatedExchange
    from tradeready_gym.strategies.comparison import Comparison
    from tradeready_gym.strategies.experiment import Experiment


def evaluate(
    run: str,
    *,
    context: ContextFile = None,
    start: str | None = None,
    end: str | None = None,
    random_seeds: int = 20,
    report: Path | None = None,
    record: bool = True,
    allow: AllowNames = (),
) -> None:
    """Play a span with a trained agent and with four baselines, at the same costs, and print what came of it.

    Every look at a span is counted as a trial, below TRADEREADY_HOME/trials: the deflated Sharpe ratio needs to know.

    Parameters
    ----------
    run
        The folder that `tradeready train` wrote, or its name below TRADEREADY_HOME/models.
    start
        Beginning of the span; the end of the training span by default.
    end
        End of the span; the end of the data by default.
    random_seeds
        How many random traders to compare with.
    report
        Where to write the report (HTML; the result card lies beside it as JSON); by default report.html in the run's folder or, where that is of another span or of other costs, beside it under the name of its span.
    record
        Count this look as a trial; without it, what was counted before is counted all the same.
    """
    from tradeready_gym.strategies.card import result_card
    from tradeready_gym.strategies.cautions import changes_since, changes_words
    from tradeready_gym.strategies.comparison import compare
    from tradeready_gym.strategies.experiment import Experiment, find_folder
    from tradeready_gym.strategies.learned import whole_span
    from tradeready_gym.strategies.loading import load_agent
    from tradeready_gym.strategies.pages import sets_words
    from tradeready_gym.strategies.sensitivity import MULTIPLES, cost_sensitivity
    from tradeready_gym.strategies.settings import arguments_of_context, read_context, under_context
    from tradeready_gym.strategies.trials import TrialStore, agent_of, market_of, trial_of

    folder = find_folder(run)
    experiment = Experiment.load(folder)
    said = {} if context is None else arguments_of_context(read_context(context))
    span = start or said.pop("start_time", None) or experiment.end, end or said.pop("end_time", None)
    played = replace(experiment, arguments=under_context(experiment.environment, experiment.arguments, said))
    environment = played.make(*span, whole=True)
    places = [experiment.folder_of(folder, seed) for seed in experiment.seeds]
    agents = [load_agent(place, environment, allow=allow) for place in places]
    with err().status("playing") as status:
        result = compare(agents, environment, random_seeds=random_seeds, progress=lambda what: status.update(what))
        status.update("costs times 0, 1, 2, 4")
        # the costs as they are have been played already
        others = tuple(times for times in MULTIPLES if times != 1.0)
        multiples = [cost_sensitivity(agent, environment, multiples=others) for agent in agents]
        costs = {t: result.agents if t == 1.0 else [one[t] for one in multiples] for t in MULTIPLES}
    engine, store = environment.engine, TrialStore()
    mine = [trial_of(e, engine, agent_of(p), experiment.label) for e, p in zip(result.agents, places, strict=True)]
    made = [trial for trial in mine if trial is not None]
    if record:
        store.record(made)
    # who does not want to be counted has seen no less of what others tried
    known = store.known(market_of(engine), whole_span(engine), also=made)
    card = result_card(
        result,
        environment,
        learned=[lesson for agent in agents for lesson in agent.learned],
        seeds=experiment.seeds,
        trials=known,
        costs=costs,
        changes=changes_since(experiment.arguments, played.arguments),
        command=_command(run, context, start, end, random_seeds, allow),
    )
    candles = engine.market.candles
    console = out()
    title = f"{'/'.join(candles.symbols)} {candles.timeframe}, {whole_span(engine)}"
    console.print(evaluations_table(title, result.agents, result.baselines))
    if (sets := sets_table(result, engine)) is not None:
        console.print(sets)
    remarks = [
        *sets_words(engine),
        *changes_words(card["changed_since_training"]),
        *(one["said"] for one in card["cautions"]),
        *_remarks(result, experiment, engine.spec.exchange),
        *_doubts(card, experiment.algorithm),
    ]
    for line in remarks:
        console.print(line, soft_wrap=True)
    page = report.expanduser() if report is not None else page_in(folder, whole_span(engine), card)
    _write(page, f"{experiment.algorithm} on {title.split(',')[0]}", agents[0], result, environment, card, remarks)
    if report is None and page.name != "report.html":
        console.print(f"\n{folder / 'report.html'} is of another evaluation, and stays as it is.", soft_wrap=True)
    console.print(f"\nreport: {page}\ncard:   {page.with_suffix('.json')}", soft_wrap=True)


def _write(
    page: Path, title: str, agent: Any, result: "Comparison", environment: Any, card: dict[str, Any], remarks: list[str]
) -> None:
    from tradeready_gym.rendering.report import render_report
    from tradeready_gym.strategies.data_sets import seeds_of_sets
    from tradeready_gym.strategies.pages import comparison_report
    from tradeready_gym.strategies.trace import trace

    traced = trace(agent, environment, seed=seeds_of_sets(environment.engine)[0])
    document = render_report(comparison_report(title, result, environment, traced, card, remarks))
    write_page(page, document, card)


def _command(
    run: str, context: Path | None, start: str | None, end: str | None, random_seeds: int, allow: tuple[str, ...]
) -> str:
    parts = ["tradeready", "evaluate", run]
    for name, value in (("--context", context), ("--start", start), ("--end", end)):
        parts += [name, str(value)] if value else []
    parts += ["--random-seeds", str(random_seeds)]
    return shlex.join([*parts, *(part for name in allow for part in ("--allow", name))])


def _remarks(result: "Comparison", experiment: "Experiment", exchange: "SimulatedExchange") -> list[str]:
    from tradeready_gym.strategies.pages import costs_in_words, moved, shares_words, turnover_words

    count, algorithm = len(result.agents), experiment.algorithm
    spread = np.percentile(result.random_traders.metric("roi_pct"), [5, 95])
    shares = shares_words(result.ahead_of_random)
    median = float(np.median([agent.median("roi_pct") for agent in result.agents]))
    who = f"The median of {count} seeds of {algorithm}" if count > 1 else algorithm
    lines = [f"{who} {moved(median)}; buy and hold {moved(result.buy_and_hold.median('roi_pct'))}."]
    if exchange.fill_at == "close":
        lines.append("OPTIMISTIC: orders were filled at the close that they were decided on (fill_at='close').")
    learned = f"learned from {experiment.start} .. {experiment.end}"
    if result.in_sample:
        lines.append(f"IN-SAMPLE: {algorithm} {learned}, which overlaps this span. This says nothing about the future.")
    else:
        lines.append(f"Held out: {algorithm} {learned} only.")
    seeds = "1 seed" if count == 1 else f"{count} seeds"
    if idle := sum(result.without_timing):
        lines.append(
            f"NO TIMING: {idle} of {seeds} held one thing all the time, and so random traders like it do just the same."
        )
    return [
        *lines,
        f"{algorithm} had a higher return than buy and hold with {result.ahead_of(result.buy_and_hold)} of {seeds}, than "
        f"staying flat with {result.ahead_of(result.flat)}.",
        f"Random traders that hold and trade as much (their row is the median) returned {spread[0]:.1f} to {spread[1]:.1f} % "
        f"(5 to 95 % of them); {algorithm} was ahead of {shares} of those like itself. {turnover_words(result.random_match)}",
        f"Baselines were played with {result.buy_and_hold.action_scheme}, {algorithm} with {result.agents[0].action_scheme}.",
        f"Costs for all alike: {', '.join(costs_in_words(exchange))}.",
    ]


def _doubts(card: dict[str, Any], algorithm: str) -> list[str]:
    from tradeready_gym.strategies.pages import luck_words

    count, trials = len(card["agents"]), card["trials"]["count"]
    deflated = [agent["deflated_sharpe"] for agent in card["agents"] if agent["deflated_sharpe"] is not None]
    lines = []
    if deflated:
        who = "Deflated Sharpe ratio" if count == 1 else "Deflated Sharpe ratio, best seed"
        lines.append(f"{who}: {luck_words(max(deflated), trials)}")
    lines += [
        f"Chosen by {one['evaluations']} evaluation{'s' if one['evaluations'] != 1 else ''} on {one['span']} (early stopping or "
        f"tuning): a choice within a trial, on a span that is not this one."
        for one in card["spans"]["selection"]
    ]
    medians = {
        times: float(np.median([one["metrics"]["roi_pct"] for one in found]))
        for times, found in card["cost_multiples"].items()
    }
    # of nothing, every multiple is the same
    if medians and not card["free"]:
        said = ", ".join(f"{times}x {roi:.1f} %" for times, roi in medians.items())
        *most, last = card["costs_scaled"]["scaled"]
        scaled, left = f"{', '.join(most)} and {last}", ", ".join(card["costs_scaled"]["left"])
        kept = f" {left.capitalize()}, which others receive, is left as it was." if left else ""
        lines.append(f"Median return of {algorithm} at multiples of {scaled}: {said}.{kept}")
    if count < 10:
        seeds = "1 seed" if count == 1 else f"{count} seeds"
        where = f"{len(card['data_sets'])} data sets" if card["data_sets"] else "one market, one span"
        lines.append(f"{seeds}, {where}: an anecdote, not a proof.")
    return lines
