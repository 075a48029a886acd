"""`tradeready train`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from tradeready_gym.cli.console import out, progress
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.rewards import REWARD_SCHEMES
from tradeready_gym.strategies.algorithms import ALGORITHMS, find_algorithm, require_stable_baselines

AlgorithmName = Annotated[str, Parameter(help=f"{', '.join(ALGORITHMS)}, of Stable-Baselines3 and sb3-contrib.")]
RewardName = Annotated[str, Parameter(help=f"{', '.join(REWARD_SCHEMES)}.")]


def train(
    environment: str = "TradeReady-BTC-v0",
    *,
    data: str = "auto",
    timeframe: str = "1h",
    start: str | None = None,
    end: str | None = None,
    steps: int = 1_000_000,
    seeds: int = 1,
    algorithm: AlgorithmName = "PPO",
    label: str | None = None,
    features: str | None = None,
    lookback: int = 30,
    reward: RewardName = "log_return",
    position_size: float | None = None,
    fee_rate: float = 0.001,
    starting_balance: float = 10_000.0,
    output: Path | None = None,
) -> None:
    """Train an agent on a span of candles, once per seed, and keep it.

    Parameters
    ----------
    environment
        A registered id, or a symbol such as ETHUSDT, which is traded by hold, buy and sell.
    data
        auto, sample, synthetic, or a CSV or Parquet file or directory.
    timeframe
        1m, 5m, 15m, 30m, 1h, 4h or 1d.
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
        Candles in an observation.
    position_size
        Share of the equity that one order buys; the environment's own by default.
    fee_rate
        As a fraction: 0.001 is 0.1 %.
    starting_balance
        In the quote currency.
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
    identity, arguments = experiment_arguments(
        environment, data, timeframe, lookback, reward, fee_rate, starting_balance, features, position_size
    )
    label = label or f"{algorithm.lower()}-{environment.lower()}"
    experiment = Experiment(identity, arguments, start, end, algorithm, steps, tuple(range(seeds)), label)
    market = experiment.training_environment()
    span = spans_of(market.engine)[0]
    folder = unused_folder(label) if output is None else output.expanduser()
    console = out()
    console.print(
        f"{identity}: {'/'.join(market.engine.symbols)} {timeframe} from {market.engine.market.candles.source}, "
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


def experiment_arguments(
    environment: str,
    data: str,
    timeframe: str,
    lookback: int,
    reward: str,
    fee_rate: float,
    starting_balance: float,
    features: str | None,
    position_size: float | None,
) -> tuple[str, dict[str, Any]]:
    """The id and the arguments of `gymnasium.make` that the options of a command stand for."""
    identity, arguments = _environment(environment)
    arguments |= {
        "data": data if data in ("auto", "sample", "synthetic") else str(Path(data).expanduser().absolute()),
        "timeframe": timeframe,
        "lookback_window": lookback,
        "reward_function": reward,
        "fee_rate": fee_rate,
        "starting_balance": starting_balance,
    }
    if features is not None:
        arguments["observation_features"] = [name.strip() for name in features.split(",")]
    if position_size is not None:
        arguments["position_size"] = position_size
    return identity, arguments


def _environment(name: str) -> tuple[str, dict[str, Any]]:
    from tradeready_gym.registration import REGISTERED

    if name in REGISTERED or name.startswith("TradeReady-"):
        return name, {}
    return "TradeReady-BTC-v0", {"pairs": [name.upper()]}
