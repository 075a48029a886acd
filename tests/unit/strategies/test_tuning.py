"""What is chosen is chosen on the validation span, and every look is counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from small_worlds import candles_of, trend_env
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.evaluation import deflated_sharpe, return_moments
from tradeready_gym.market import Span
from tradeready_gym.market.worlds import trend
from tradeready_gym.strategies import Situation, StableBaselinesTradingStrategy, TradingStrategy, Tuning, tune
from tradeready_gym.strategies.learned import spans_of
from tradeready_gym.strategies.scoring import period_returns
from tradeready_gym.strategies.trials import TrialStore, market_of

CUTS = ("2024-01-08T00:00:00Z", "2024-01-15T00:00:00Z")
# rises by 0.2 % an hour on average: whoever only holds gains everywhere
DATA = candles_of(100.0 * np.exp(np.cumsum(np.random.default_rng(4).normal(0.002, 0.01, 500))))


def span(start: str | None, end: str | None, data: Any = DATA) -> TradingEnvironment:
    return trend_env(data=data, start_time=start, end_time=end, fee_rate=0.0)


class Memoriser(TradingStrategy):
    """Knows by heart which candles of the first `share` of its training span rose; elsewhere, it holds the less the more it knows."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.known: dict[float, int] = {}
        super().__init__()

    def train(self, steps: int, **_: Any) -> None:
        engine = self.environment.engine
        closes = engine.rows["close"][:, 0]
        first, last = int(engine.segments[0]["first_row"]), int(engine.segments[0]["end_row"])
        rows = range(first, first + int((last - first) * self.share))
        self.known = {float(closes[row - 1]): int(closes[row] > closes[row - 1]) for row in rows}
        self.mark_learned(self.environment)

    def decide(self, situation: Situation) -> Any:
        closes = situation.closes(1)[:, 0, -1].tolist()
        guesses = [int(hash(close) % 1000 >= 1000 * self.share) for close in closes]
        return np.array([self.known.get(close, guess) for close, guess in zip(closes, guesses, strict=True)])


def tuned(tmp_path: Path, **changes: Any) -> Tuning:
    settings: dict[str, Any] = {
        "make": lambda trial: Memoriser(trial.suggest_categorical("share", [0.0, 1.0])),
        "training": span(None, CUTS[0]),
        "validation": span(*CUTS),
        "steps": 10,
        "trials": 6,
        "first": {"share": 1.0},
        "store": TrialStore(tmp_path),
        "metric": lambda evaluation: -abs(evaluation.metric("exposure")[0] - 0.5),
    }
    return tune(**(settings | changes))


def test_a_planted_overfit_setting_loses_though_it_is_best_where_it_was_trained(tmp_path: Path) -> None:
    result = tuned(tmp_path, metric="roi_pct")
    training = span(None, CUTS[0])
    scores = {}
    for share in (0.0, 1.0):
        strategy = Memoriser(share)
        strategy.environment = training
        strategy.train(1)
        scores[share] = strategy.evaluate().metric("roi_pct")[0]
    assert scores[1.0] > scores[0.0] + 10.0
    assert result.trials[0].parameters == {"share": 1.0}
    assert dict(result.parameters) == {"share": 0.0}
    assert result.best_trial.value == max(trial.value for trial in result.trials)
    assert result.best_trial.value == result.evaluation.metric("roi_pct")[0]


def test_a_search_by_the_training_span_would_have_chosen_the_overfit_one(tmp_path: Path) -> None:
    # the planted defect of the test above: let validation be what is trained on
    training = span(None, CUTS[0])

    def cheating(evaluation: Any) -> float:
        strategy = Memoriser(float(evaluation.strategy == "knows"))
        strategy.environment = training
        strategy.train(1)
        return float(strategy.evaluate().metric("roi_pct")[0])

    class Named(Memoriser):
        @property
        def name(self) -> str:
            return "knows" if self.share else "guesses"

    make = lambda trial: Named(trial.suggest_categorical("share", [0.0, 1.0]))  # noqa: E731
    assert dict(tuned(tmp_path, make=make, metric=cheating).parameters) == {"share": 1.0}


def test_every_trial_is_counted_and_deflates_what_is_said_of_the_validation_span(tmp_path: Path) -> None:
    shares = [0.0, 0.2, 0.4, 0.6, 0.8]
    result = tuned(
        tmp_path, make=lambda trial: Memoriser(trial.suggest_categorical("share", shares)), trials=12, first=None
    )
    assert [trial.number for trial in result.trials] == list(range(12))
    returns = period_returns(result.evaluation.episodes[0])
    assert result.best_trial.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-12)
    assert len(result.sharpes) == 12
    moments = return_moments(returns)
    assert deflated_sharpe(moments, result.sharpes) < deflated_sharpe(moments, result.sharpes[:2])
    engine = span(*CUTS).engine
    kept = TrialStore(tmp_path).known(market_of(engine), spans_of(engine)[0])
    distinct = {trial.parameters["share"] for trial in result.trials}
    assert len(kept) == len(distinct) > 1  # the same setting looked at twice is one trial


def test_the_best_has_learned_from_the_validation_span_and_not_from_the_test(tmp_path: Path) -> None:
    played: list[Span] = []

    class Watched(Memoriser):
        def evaluate(self, environment: Any = None, **named: Any) -> Any:
            played.extend(spans_of(environment.engine))
            return super().evaluate(environment, **named)

    test = span(CUTS[1], None)
    result = tuned(tmp_path, make=lambda trial: Watched(trial.suggest_float("share", 0.0, 1.0)), first=None, test=test)
    assert {(one.start_time, one.end_time) for one in played} == {CUTS}
    assert TradingStrategy.evaluate(result.best, span(*CUTS)).in_sample
    assert not TradingStrategy.evaluate(result.best, test).in_sample
    # it is the best of six, and says so
    assert [(lesson.span, lesson.looks) for lesson in result.best.learned] == [
        (spans_of(span(None, CUTS[0]).engine)[0], 0), (spans_of(span(*CUTS).engine)[0], 6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        ({"validation": (None, CUTS[0])}, "training span touches the validation span"),
        ({"test": (CUTS[0], None)}, "validation span touches the test span"),
        ({"test": ("2024-01-07T00:00:00Z", CUTS[0])}, "training span touches the test span"),
    ],
)
def test_spans_that_overlap_are_refused_by_name_before_anything_is_played(
    tmp_path: Path, spans: dict[str, Any], said: str
) -> None:
    def never(trial: Any) -> TradingStrategy:
        raise AssertionError("nothing may be made")

    with pytest.raises(ConfigurationError, match=said):
        tuned(tmp_path, make=never, **{name: span(*cut) for name, cut in spans.items()})


def test_the_same_seed_tries_the_same_settings(tmp_path: Path) -> None:
    def tries(seed: int) -> list[float]:
        make = lambda trial: Memoriser(trial.suggest_float("share", 0.0, 1.0))  # noqa: E731
        return [t.parameters["share"] for t in tuned(tmp_path, make=make, first=None, trials=4, seed=seed).trials]

    assert tries(1) == tries(1) != tries(2)


def test_a_bad_setting_of_a_real_learner_is_improved(tmp_path: Path) -> None:
    data = trend(bars=2_000, seed=0)
    cut = "2021-02-15T00:00:00Z"

    def market(**when: Any) -> TradingEnvironment:
        return trend_env(data=data, fee_rate=0.0, interpreted=False, reward_scheme="log_return", **when)

    def make(trial: Any) -> TradingStrategy:
        rate = trial.suggest_categorical("learning_rate", [1e-9, 3e-3])
        kwargs = {"learning_rate": rate, "n_steps": 32, "policy_kwargs": {"net_arch": [16]}}
        return StableBaselinesTradingStrategy(None, "PPO", model_kwargs=kwargs, num_envs=64, track_training=False)

    result = tuned(
        tmp_path,
        make=make,
        training=market(end_time=cut),
        validation=market(start_time=cut),
        steps=16_000,
        trials=3,
        seed=1,
        first={"learning_rate": 1e-9},
        metric="roi_pct",
    )
    assert dict(result.parameters) == {"learning_rate": 3e-3}
    assert result.best_trial.value > result.trials[0].value + 1.0
    again = StableBaselinesTradingStrategy.load(result.best.save(tmp_path / "best"), market(start_time=cut))
    assert again.evaluate().in_sample


def test_what_cannot_be_tuned_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="roi_pct"):
        tuned(tmp_path, metric="turnover")
    with pytest.raises(ConfigurationError, match="trials must be an integer"):
        tuned(tmp_path, trials=0)
    with pytest.raises(ConfigurationError, match="must return a TradingStrategy; got int"):
        tuned(tmp_path, make=lambda trial: 3)
    old = Memoriser(0.5)
    old.environment = span(None, CUTS[0])
    old.train(1)
    with pytest.raises(ConfigurationError, match="learned nothing"):
        tuned(tmp_path, make=lambda trial: old)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'tradeready-gym\[tune\]'"):
        tuned(tmp_path)
