"""`tradeready train`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tradeready_gym.cli.console import out, progress
from tradeready_gym.cli.options import ContextFile, experiment_arguments, given_arguments
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.rewards import REWARD_SCHEMES
from tradeready_gym.strategies.algorithms import ALGORITHMS, find_algorithm, require_stable_baselines

AlgorithmName = Annotated[str, Parameter(help=f"{', '.join(ALGORITHMS)}, of Stable-Baselines3 and sb3-contrib.")]
RewardName = Annotated[str | None, Parameter(help=f"{', '.join(REWARD_SCHEMES)}; log_return by default.")]


def train(
    environment: str = "TradeReady-BTC-v0",
    *,
    context: ContextFile = None,
    data: str | None = None,
    timeframe: str | None = None,
    start: str | None = None,
    end: str | None = None,
    steps: int = 1_000_000,
    seeds: int = 1,
    algorithm: AlgorithmName = "PPO",
    label: str | None = None,
    features: str | None = None,
    lookback: int | None = None,
    reward: RewardName = None,
    position_size: float | None = None,
    fee_rate: float | None = None,
    starting_balance: float | None = None,
    output: Path | None = None,
) -> None:
    """Train an agent on a span of candles, once per seed, and keep it.

    Parameters
    ----------
    environment
        A registered id, or a symbol such as ETHUSDT, which is traded by hold, buy and sell.
    data
        auto (the default), sample, synthetic, or a CSV or Parquet file or directory.
    timeframe
        1m, 5m, 15m, 30m, 1h (the default), 4h or 1d.
    start
        Beginning of the training span, such as 2021-02-01T00:00:00Z; as early as the data allow by default.
    end
        End of the training span; without it, the last 30 % of the data are held out.
    steps
        Steps of the environment for each seed.
    seeds
        How many agents to train: one run is an anecdote.
    label
        The name of the run in the journal and of its folder.
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
    output
        Folder to write to; below TRADEREADY_HOME/models by default.
    """
    from tradeready_gym.strategies.experiment import Experiment, unused_folder
    from tradeready_gym.strategies.learned import spans_of
    from tradeready_gym.strategies.stable_baselines import StableBaselinesTradingStrategy

    require_stable_baselines()
    if seeds < 1:
        raise ConfigurationError(f"--seeds must be at least 1; got {seeds}")
    if steps < 1:
        raise ConfigurationError(f"--steps must be at least 1; got {steps}")
    find_algorithm(algorithm)
    given = given_arguments(
        data, timeframe, lookback, reward, fee_rate, starting_balance, features, position_size, start, end
    )
    identity, arguments, start, end = experiment_arguments(environment, context, given)
    label = label or f"{algorithm.lower()}-{environment.lower()}"
    experiment = Experiment(identity, arguments, start, end, algorithm, steps, tuple(range(seeds)), label)
    market = experiment.training_environment()
    span = spans_of(market.engine)[0]
    folder = unused_folder(label) if output is None else output.expanduser()
    console = out()
    console.print(
        f"{identity}: {'/'.join(market.engine.symbols)} {market.engine.market.timeframe} from "
        f"{market.engine.market.candles.source}, "
        f"training on {span}",
        soft_wrap=True,
    )
    finished: dict[int, str | None] = {}
    try:
        with progress() as shown:
            for seed in experiment.seeds:
                agent = StableBaselinesTradingStrategy(market, algorithm, seed=seed, strategy_label=label)
                agent.train(steps, progress=shown.task(f"{algorithm}, seed {seed}", steps))
                agent.save(experiment.folder_of(folder, seed))
                finished[seed] = agent.run_id
    finally:  # who stops in the third seed keeps the first two
        if finished:
            runs = {str(seed): run_id for seed, run_id in finished.items() if run_id is not None}
            replace(experiment, seeds=tuple(finished), runs=runs).save(folder, trained_on=span)
    console.print(f"saved in {folder}\nnext: tradeready evaluate {folder}", soft_wrap=True)
