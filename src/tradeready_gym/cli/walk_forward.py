"""`tradeready walk-forward`."""

from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from tradeready_gym.cli.console import out, progress
from tradeready_gym.cli.train import experiment_arguments


def walk_forward(
    environment: str = "TradeReady-BTC-v0",
    *,
    folds: int = 8,
    seeds: int = 5,
    steps: int = 200_000,
    purge: int = 24,
    rolling: bool = False,
    workers: int | None = None,
    data: str = "auto",
    timeframe: str = "1h",
    start: str | None = None,
    end: str | None = None,
    algorithm: str = "PPO",
    features: str | None = None,
    lookback: int = 30,
    reward: str = "log_return",
    position_size: float | None = None,
    fee_rate: float = 0.001,
    starting_balance: float = 10_000.0,
) -> None:
    """Train on what was, test on what came next, move on: fold by fold, every seed anew, on every processor.

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
        Candles left out between training and test.
    rolling
        Train on a window of constant length instead of everything before.
    workers
        Processes at a time; every processor by default.
    data
        auto, sample, synthetic, or a CSV or Parquet file or directory.
    timeframe
        1m, 5m, 15m, 30m, 1h, 4h or 1d.
    start
        Beginning of the first training span; as early as the data allow by default.
    end
        End of the last test; the end of the data by default.
    algorithm
        PPO, A2C, DQN, SAC, TD3 or DDPG of Stable-Baselines3.
    features
        Names of observation features, separated by commas; the environment's own by default.
    lookback
        Candles in an observation.
    reward
        pnl, log_return, sharpe, sortino, drawdown_penalty or composite.
    position_size
        Share of the equity that one order buys; the environment's own by default.
    fee_rate
        As a fraction: 0.001 is 0.1 %.
    starting_balance
        In the quote currency.
    """
    from tradeready_gym.evaluation import t_interval
    from tradeready_gym.strategies.algorithms import require_stable_baselines
    from tradeready_gym.strategies.experiment import Experiment
    from tradeready_gym.strategies.walk_forward import walk_forward as run

    require_stable_baselines()
    identity, arguments = experiment_arguments(
        environment, data, timeframe, lookback, reward, fee_rate, starting_balance, features, position_size
    )
    experiment = Experiment(identity, arguments, start, end, algorithm, steps, tuple(range(seeds)), "walk-forward")
    with progress() as shown:
        task, done = shown.task("agents trained and tested", folds * seeds), 0

        def finished(_: Any) -> None:
            nonlocal done
            done += 1
            task(done, folds * seeds)

        result = run(experiment, folds=folds, rolling=rolling, purge=purge, workers=workers, finished=finished)
    console = out()
    console.print(_table(result))
    names = [evaluation.evaluation.strategy for evaluation in result.baselines[:3]]
    chained = [100.0 * (equity[-1] / equity[0] - 1.0) for _, equity in (result.chained(s) for s in experiment.seeds)]
    console.print(
        f"{algorithm} over all tests, chained: median {np.median(chained):.1f} %, "
        f"{min(chained):.1f} to {max(chained):.1f} % over {seeds} seed{'s' if seeds > 1 else ''}",
        soft_wrap=True,
    )
    if seeds > 1:
        console.print(f"mean of the seeds: {t_interval(chained)}", soft_wrap=True)
    for name in names:
        _, equity = result.chained_baseline(name)
        console.print(f"{name}: {100.0 * (equity[-1] / equity[0] - 1.0):.1f} %")


def _table(result: Any) -> Table:
    table = Table(title="Return % in each test", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("test", "median seed", "lowest", "highest", *(r.evaluation.strategy for r in result.baselines[:3])):
        table.add_column(heading, justify="left" if heading == "test" else "right")
    for fold in result.folds:
        mine = [r.evaluation.metric("roi_pct")[0] for r in result.results if r.fold == fold]
        rules = [r.evaluation.metric("roi_pct")[0] for r in result.baselines if r.fold == fold]
        cells = [f"{value:.1f}" for value in (float(np.median(mine)), min(mine), max(mine), *rules)]
        table.add_row(str(fold.test), *cells)
    return table
