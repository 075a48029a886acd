"""`tradeready compare`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tradeready_gym.cli.console import err, out
from tradeready_gym.cli.options import AllowNames
from tradeready_gym.cli.tables import evaluations_table, sets_table
from tradeready_gym.errors import ConfigurationError

if TYPE_CHECKING:
    from tradeready_gym.engine import Engine
    from tradeready_gym.strategies.comparison import Comparison
    from tradeready_gym.strategies.trials import Trial


def compare(
    first: str,
    second: str,
    /,
    *others: str,
    start: str | None = None,
    end: str | None = None,
    random_seeds: int = 20,
    allow: AllowNames = (),
) -> None:
    """Play one span with the agents of several runs, and say how often a seed of one is ahead of a seed of another.

    Beside each run are the four baselines of `tradeready evaluate`, at this run's costs. Every look at a span is counted as a trial, as by `tradeready evaluate`.

    Parameters
    ----------
    first
        A folder that `tradeready train` wrote, or its name below TRADEREADY_HOME/models.
    second
        Another.
    others
        Further ones.
    start
        Beginning of the span; the latest end of their training spans by default.
    end
        End of the span; the end of the data by default.
    random_seeds
        How many random traders to compare each agent with.
    """
    from tradeready_gym.evaluation import probability_of_improvement
    from tradeready_gym.strategies.comparison import compare as judge
    from tradeready_gym.strategies.experiment import Experiment, find_folder
    from tradeready_gym.strategies.learned import whole_span
    from tradeready_gym.strategies.loading import load_agent
    from tradeready_gym.strategies.trials import TrialStore, agent_of, market_of, trial_of

    folders = [find_folder(run) for run in (first, second, *others)]
    experiments = [Experiment.load(folder) for folder in folders]
    begin = start or max(experiment.end or "" for experiment in experiments) or None
    if len({folder.name for folder in folders}) < len(folders):
        raise ConfigurationError(f"runs must have different names; got {', '.join(folder.name for folder in folders)}")
    environments = {
        folder.name: run.make(begin, end, whole=True) for folder, run in zip(folders, experiments, strict=True)
    }
    spans = {str(whole_span(environment.engine)) for environment in environments.values()}
    if len(spans) > 1:
        raise ConfigurationError(
            f"these runs do not play the same span ({'; '.join(sorted(spans))}); give --start and --end"
        )
    played: dict[str, Comparison] = {}
    looks = []
    for folder, experiment in zip(folders, experiments, strict=True):
        environment = environments[folder.name]
        places = [experiment.folder_of(folder, seed) for seed in experiment.seeds]
        agents = [load_agent(place, environment, allow=allow) for place in places]
        with err().status(f"playing {folder.name}"):
            played[folder.name] = judge(agents, environment, random_seeds=random_seeds)
        looks += [
            trial_of(one, environment.engine, agent_of(place), experiment.label)
            for one, place in zip(played[folder.name].agents, places, strict=True)
        ]
    store = TrialStore()
    store.record([look for look in looks if look is not None])
    console = out()
    for name, result in played.items():
        console.print(
            evaluations_table(f"{name}, {whole_span(environments[name].engine)}", result.agents, result.baselines)
        )
        engine = environments[name].engine
        if (sets := sets_table(result, engine)) is not None:
            console.print(sets)
        for line in _remarks(name, result, store.known(market_of(engine), whole_span(engine)), engine):
            console.print(line, soft_wrap=True)
    returns = {name: [agent.median("roi_pct") for agent in result.agents] for name, result in played.items()}
    base, *rest = returns
    for name in rest:
        better = probability_of_improvement(returns[base], returns[name])
        console.print(f"A seed of {base} returns more than one of {name} with probability {better}", soft_wrap=True)
    if any(result.in_sample for result in played.values()):
        console.print("IN-SAMPLE for at least one of them: its figures say nothing about the future.")


def _remarks(name: str, result: "Comparison", known: "Sequence[Trial]", engine: "Engine") -> list[str]:
    from tradeready_gym.strategies.card import believable
    from tradeready_gym.strategies.cautions import cautions_of
    from tradeready_gym.strategies.pages import luck_words, sets_words, turnover_words

    lines = [
        *sets_words(engine),
        *(one["said"] for one in cautions_of(engine)),
        f"Random traders hold and trade as much as {name}. {turnover_words(result.random_match)}",
    ]
    found = [believable(agent.curve, known, engine)["deflated_sharpe"] for agent in result.agents]
    deflated = [ratio for ratio in found if ratio is not None]
    if deflated:
        best = ", best seed" if len(result.agents) > 1 else ""
        lines.append(f"Deflated Sharpe ratio of {name}{best}: {luck_words(max(deflated), len(known))}")
    return lines
