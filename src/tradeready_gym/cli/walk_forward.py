"""`tradeready walk-forward`."""

import inspect
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from tradeready_gym.cli.console import out, progress
from tradeready_gym.cli.options import ContextFile, experiment_arguments, given_arguments
from tradeready_gym.cli.pages import write_page
from tradeready_gym.cli.train import AlgorithmName, RewardName


def walk_forward(
    environment: str = "TradeReady-BTC-v0",
    *,
    folds: int = 8,
    seeds: int = 5,
    steps: int = 200_000,
    purge: int = 24,
    embargo: int = 0,
    rolling: bool = False,
    workers: int | None = None,
    context: ContextFile = None,
    data: str | None = None,
    timeframe: str | None = None,
    start: str | None = None,
    end: str | None = None,
    algorithm: AlgorithmName = "PPO",
    features: str | None = None,
    lookback: int | None = None,
    reward: RewardName = None,
    position_size: float | None = None,
    fee_rate: float | None = None,
    starting_balance: float | None = None,
    label: str | None = None,
    report: Path | None = None,
    record: bool = True,
) -> None:
    """Train on what was, test on what came next, move on: fold by fold, every seed anew, on every processor.

    Every seed's way through the tests is counted as a trial, below TRADEREADY_HOME/trials, as by `tradeready evaluate`.

    Parameters
    ----------
    environment
        A registered id, or a symbol such as ETHUSDT, which is traded by hold, buy and sell.
    folds
        How many tests, one after the other.
    seeds
        Agents for each fold.
    steps
        Steps of training for each agent.
    purge
        Candles before a test that are not learned from: as many as a reward, a label or a holding reaches ahead.
    embargo
        Candles before those that are not learned from either, for what fades more slowly than it is measured.
    rolling
        Train on a window of constant length instead of everything before.
    workers
        Processes at a time; every processor by default.
    data
        auto (the default), sample, synthetic, or a CSV or Parquet file or directory.
    timeframe
        1m, 5m, 15m, 30m, 1h (the default), 4h or 1d.
    start
        Beginning of the first training span; as early as the data allow by default.
    end
        End of the last test; the end of the data by default.
    features
        Names of observation features, separated by commas; the environment's own by default.
    lookback
        Candles in an observation; 30 by default.
    position_size
        Share of the equity that one order buys; the environment's own by default.
    fee_rate
        As a fraction: 0.001 is 0.1 %, and the default.
    starting_balance
        In the quote currency; 10,000 by default.
    label
        The name of the folder below TRADEREADY_HOME/walk-forward.
    report
        Where to write the report (HTML; the result card lies beside it as JSON); report.html in that folder by default.
    record
        Count the seeds as trials; without it, what was counted before is counted all the same.
    """
    typed = dict(locals())
    from tradeready_gym.engine.cache import home
    from tradeready_gym.evaluation.walk_forward import require_counts
    from tradeready_gym.rendering.report import render_fold_report
    from tradeready_gym.strategies.algorithms import find_algorithm, require_stable_baselines
    from tradeready_gym.strategies.experiment import Experiment, unused_folder
    from tradeready_gym.strategies.fold_card import walk_forward_card
    from tradeready_gym.strategies.fold_pages import remarks_of, walk_forward_report
    from tradeready_gym.strategies.trials import TrialStore, market_of
    from tradeready_gym.strategies.walk_forward import walk_forward as run

    require_stable_baselines()
    given = given_arguments(
        data, timeframe, lookback, reward, fee_rate, starting_balance, features, position_size, start, end
    )
    identity, arguments, start, end = experiment_arguments(environment, context, given)
    require_counts(folds=folds, seeds=seeds, steps=steps, workers=1 if workers is None else workers)
    require_counts(0, purge=purge, embargo=embargo)
    find_algorithm(algorithm)
    label = label or f"{algorithm.lower()}-{environment.lower()}"
    experiment = Experiment(identity, arguments, start, end, algorithm, steps, tuple(range(seeds)), label)
    with progress() as shown:
        task, done = shown.task("agents trained and tested", folds * seeds), 0

        def finished(_: Any) -> None:
            nonlocal done
            done += 1
            task(done, folds * seeds)

        result = run(
            experiment, folds=folds, rolling=rolling, purge=purge, embargo=embargo, workers=workers, finished=finished
        )
    store = TrialStore()
    if record:
        store.record(result.trials)
    trials = store.known(market_of(result.environment.engine), result.span, also=result.trials)
    card = walk_forward_card(result, trials=trials, command=_command(typed))
    console = out()
    console.print(_table(result, card))
    for line in remarks_of(result, card):
        console.print(line, soft_wrap=True)
    page = report.expanduser() if report is not None else unused_folder(label, home() / "walk-forward") / "report.html"
    market = result.environment.engine
    title = f"{algorithm} on {'/'.join(market.symbols)} {market.market.timeframe}, walk-forward"
    write_page(page, render_fold_report(walk_forward_report(title, result, card)), card)
    console.print(f"\nreport: {page}\ncard:   {page.with_suffix('.json')}", soft_wrap=True)


def _command(given: Mapping[str, Any]) -> str:
    # what is as it would be anyway is left out
    parts = ["tradeready", "walk-forward", str(given["environment"])]
    for name, parameter in inspect.signature(walk_forward).parameters.items():
        value, option = given[name], name.replace("_", "-")
        if name == "environment" or value == parameter.default:
            continue
        if isinstance(value, bool):
            parts.append(f"--{option}" if value else f"--no-{option}")
        else:
            parts += [f"--{option}", str(value)]
    return shlex.join(parts)


def _table(result: Any, card: Mapping[str, Any]) -> Table:
    rules = tuple(card["all_tests"]["baselines"])
    table = Table(title="Return % in each test", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("test", "median seed", "lowest", "highest", *rules):
        table.add_column(heading, justify="left" if heading == "test" else "right")
    for fold, found in zip(result.folds, card["folds"], strict=True):
        table.add_row(str(fold.test), *_returns(found, rules))
    table.add_section()
    table.add_row("all tests, chained", *_returns(card["all_tests"], rules))
    return table


def _returns(found: Mapping[str, Any], rules: tuple[str, ...]) -> list[str]:
    mine = [one["roi_pct"] for one in found["seeds"].values()]
    values = (float(np.median(mine)), min(mine), max(mine), *(found["baselines"][rule]["roi_pct"] for rule in rules))
    return [f"{value:.1f}" for value in values]
