"""`tradeready compare`."""

from tradeready_gym.cli.console import err, out
from tradeready_gym.cli.tables import evaluations_table
from tradeready_gym.errors import ConfigurationError


def compare(first: str, second: str, /, *others: str, start: str | None = None, end: str | None = None) -> None:
    """Play one span with the agents of several runs, and say how often a seed of one is ahead of a seed of another.

    Every look at a span is counted as a trial, as by `tradeready evaluate`.

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
    """
    from tradeready_gym.evaluation import probability_of_improvement
    from tradeready_gym.strategies.experiment import Experiment, find_folder
    from tradeready_gym.strategies.stable_baselines import StableBaselinesTradingStrategy
    from tradeready_gym.strategies.trials import TrialStore, agent_of, trial_of

    folders = [find_folder(run) for run in (first, second, *others)]
    experiments = [Experiment.load(folder) for folder in folders]
    begin = start or max(experiment.end or "" for experiment in experiments) or None
    played, looks = {}, []
    for folder, experiment in zip(folders, experiments, strict=True):
        environment = experiment.make(begin, end)
        agents = [
            StableBaselinesTradingStrategy.load(experiment.folder_of(folder, seed), environment)
            for seed in experiment.seeds
        ]
        with err().status(f"playing {folder.name}"):
            played[folder.name] = [agent.evaluate(environment) for agent in agents]
        looks += [
            trial_of(one, environment.engine, agent_of(experiment.folder_of(folder, seed)), experiment.label)
            for one, seed in zip(played[folder.name], experiment.seeds, strict=True)
        ]
    if len(played) < len(folders):
        raise ConfigurationError(f"runs must have different names; got {', '.join(folder.name for folder in folders)}")
    spans = {str(evaluations[0].spans[0]) for evaluations in played.values()}
    if len(spans) > 1:
        raise ConfigurationError(
            f"these runs do not play the same span ({'; '.join(sorted(spans))}); give --start and --end"
        )
    TrialStore().record([look for look in looks if look is not None])
    console = out()
    for name, evaluations in played.items():
        console.print(evaluations_table(f"{name}, {evaluations[0].spans[0]}", evaluations))
    returns = {name: [e.metric("roi_pct")[0] for e in evaluations] for name, evaluations in played.items()}
    base, *rest = returns
    for name in rest:
        better = probability_of_improvement(returns[base], returns[name])
        console.print(f"A seed of {base} returns more than one of {name} with probability {better}", soft_wrap=True)
    if any(e.in_sample for evaluations in played.values() for e in evaluations):
        console.print("IN-SAMPLE for at least one of them: its figures say nothing about the future.")
