"""What to expect of an agent that is deployed: its own backtest on the candles before, as a fan."""

from dataclasses import replace

import numpy as np

from tradeready_gym.errors import TradeReadyError
from tradeready_gym.evaluation import expectation_fan
from tradeready_gym.live.deployments import Deployment
from tradeready_gym.live.expectation import FILE, Expectation
from tradeready_gym.market import Timeframe, format_time, parse_time
from tradeready_gym.strategies.experiment import Experiment, find_folder
from tradeready_gym.strategies.learned import spans_of
from tradeready_gym.strategies.loading import load_agent

_LEAST = 48  # candles that are worth a fan
_MOST = 10_000  # candles that are played: what was long ago is another market
_HORIZON, _HORIZON_DAYS, _LONGEST = 5_000, 35, 50_000


def write_expectation(deployment: Deployment) -> Expectation:
    """Play the agent on what it has not learned from, before its work begins, and keep the fan of that; again is no change.

    A rehearsal is preceded by nothing that it plays itself. Where there is too little that the agent has not learned from, the
    end of what it did learn from is played, and the expectation says so. An agent whose backtest cannot be played gets one
    without a fan: that is no reason not to let it trade.
    """
    known = Expectation.load(deployment.folder) if (deployment.folder / FILE).exists() else None
    if known is not None:
        return known
    try:
        made = expectation_of(deployment)
    except (TradeReadyError, OSError, ValueError, TypeError) as error:
        made = Expectation(("", ""), False, 0.0, None, f"its backtest could not be played ({error})")
    made.save(deployment.folder)
    return made


def expectation_of(deployment: Deployment) -> Expectation:
    """The expectation, played now.

    Raises:
        TradeReadyError: the run or its candles cannot be read, or it cannot be played on them.
    """
    folder = find_folder(deployment.run)
    saved = Experiment.load(folder)
    arguments = {**saved.arguments, "pairs": list(deployment.symbols), **deployment.arguments}
    experiment = replace(saved, arguments=arguments)
    span = _span(experiment, deployment)
    environment = experiment.make(*span, whole=True)
    place = experiment.folder_of(folder, deployment.seed)
    agent = load_agent(place, environment, allow=deployment.allow)
    played = agent.evaluate()
    curve = np.asarray(played.episodes[0].net_worth)
    returns = np.diff(curve) / curve[:-1]
    step = environment.engine.market.timeframe.microseconds
    horizon = min(max(_HORIZON, _HORIZON_DAYS * 86_400_000_000 // step), _LONGEST)
    fan = expectation_fan(returns, horizon)
    found = spans_of(environment.engine)[0]
    roi = 100.0 * float(curve[-1] / curve[0] - 1.0)
    return Expectation((found.start_time, found.end_time), played.in_sample, roi, fan)


def _span(experiment: Experiment, deployment: Deployment) -> tuple[str, str]:
    engine = experiment.make(None, None).engine
    whole, step = spans_of(engine)[0], Timeframe.parse(deployment.timeframe).microseconds
    end = min(whole.end, _replayed_from(deployment) or whole.end)
    begin = max(whole.start, parse_time(str(experiment.end)))
    if end - begin < _LEAST * step:
        begin, end = whole.start, min(end, parse_time(str(experiment.end)))
    return format_time(max(begin, end - _MOST * step)), format_time(end)


def _replayed_from(deployment: Deployment) -> int | None:
    from tradeready_gym.live.feeds import replay_parts

    return None if not deployment.feed.startswith("replay:") else parse_time(replay_parts(deployment.feed)[1])
