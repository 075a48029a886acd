"""`tradeready train` and `tradeready evaluate`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tradeready_gym.cli.tables import comparison_table
from tradeready_gym.engine.cache import home
from tradeready_gym.errors import StoreError
from tradeready_gym.strategies.comparison import compare_with_baselines

RECIPE = "environment.json"


def train(
    environment: str = "TradeReady-BTC-v0",
    *,
    data: str = "auto",
    timeframe: str = "1h",
    start: str | None = None,
    end: str | None = None,
    steps: int = 500_000,
    algorithm: str = "PPO",
    reward: str = "log_return",
    features: list[str] | None = None,
    lookback: int = 30,
    position_size: float | None = None,
    fee_rate: float = 0.001,
    seed: int = 0,
    label: str = "ppo",
    output: Path | None = None,
) -> None:
    """Train an agent with Stable-Baselines3, with a progress bar, and save it.

    Parameters
    ----------
    environment
        A registered id.
    data
        "auto", "sample", "synthetic", or a file.
    timeframe
        Of the candles: 1m, 5m, 15m, 30m, 1h, 4h or 1d.
    start
        Begin of the training span, such as 2021-01-15T00:00:00Z.
    end
        Its end; keep later candles for the evaluation.
    steps
        Steps of the environment, over all accounts.
    algorithm
        PPO, A2C, DQN, SAC, TD3 or DDPG.
    reward
        pnl, log_return, sharpe, sortino, drawdown_penalty or composite.
    features
        What is observed; scale-free candles and the account by default.
    lookback
        Candles in an observation.
    position_size
        Share of the equity that one order trades.
    fee_rate
        0.001 is 0.1 per cent.
    seed
        Of the weights, the actions and the episodes.
    label
        Name of the run, and of the directory below TRADEREADY_HOME/models.
    output
        Another directory for the model.
    """
    recipe: dict[str, Any] = {
        "id": environment,
        "data": data,
        "timeframe": timeframe,
        "start_time": start,
        "end_time": end,
        "reward_function": reward,
        "observation_features": features,
        "lookback_window": lookback,
        "position_size": position_size,
        "fee_rate": fee_rate,
    }
    from tradeready_gym.strategies import StableBaselinesTradingStrategy

    console = Console()
    made = make(recipe)
    strategy = StableBaselinesTradingStrategy(made, algorithm, seed=seed, strategy_label=label)
    with training_progress(console, f"training {strategy.name}") as report:
        strategy.train(steps, progress=report)
    folder = strategy.save(output or home() / "models" / label)
    (folder / RECIPE).write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
    spans = ", ".join(map(str, strategy.trained_spans))
    console.print(
        f"trained {strategy.trained_steps:,} steps on {spans}\nsaved in {folder}", highlight=False, soft_wrap=True
    )
    console.print(f"next: tradeready evaluate {folder} --start ... --end ...", highlight=False, soft_wrap=True)


def evaluate(
    model: Path,
    *,
    start: str | None = None,
    end: str | None = None,
    data: str | None = None,
    seed: int = 0,
    random_seeds: int = 20,
) -> None:
    """Play a saved agent, without learning, beside buy-and-hold, flat, a moving-average cross and random traders.

    Parameters
    ----------
    model
        The directory that `tradeready train` saved.
    start
        Begin of the span; later than the training for figures that mean anything.
    end
        Its end.
    data
        Other candles than those of the training.
    seed
        Of the episode.
    random_seeds
        How many random traders, each with the agent's turnover.
    """
    from tradeready_gym.strategies import StableBaselinesTradingStrategy

    recipe = read_recipe(model)
    changed = {"start_time": start, "end_time": end, "data": data}
    made = make(recipe | {name: value for name, value in changed.items() if value is not None})
    strategy = StableBaselinesTradingStrategy.load(model, made)
    found = compare_with_baselines([strategy], made, seed=seed, random_seeds=random_seeds)
    Console().print(comparison_table(found))


def make(recipe: dict[str, Any]) -> Any:
    """The environment that a recipe describes, without a journal of its own."""
    arguments = {name: value for name, value in recipe.items() if value is not None and name != "id"}
    return gymnasium.make(recipe["id"], track_training=False, **arguments)


def read_recipe(model: Path) -> dict[str, Any]:
    """The recipe beside a saved model.

    Raises:
        StoreError: there is none.
    """
    try:
        return dict(json.loads((model / RECIPE).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise StoreError(f"{model} holds no model of `tradeready train`: {RECIPE} cannot be read ({error})") from error


@contextmanager
def training_progress(console: Console, description: str) -> Iterator[Any]:
    """A progress bar for `TradingStrategy.train`; a line now and then where there is no terminal."""
    if not console.is_terminal:
        said = [0]

        def say(done: int, of: int) -> None:
            if done * 10 // of > said[0]:
                said[0] = done * 10 // of
                console.print(f"{description}: {done:,} of {of:,} steps", highlight=False)

        yield say
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, of: bar.update(task, completed=min(done, of), total=of)
