"""The card and the page of a walk-forward say what its folds did, and what their figures are not worth."""

import json
from typing import Any

import numpy as np
import pytest

from tradeready_gym.evaluation import deflated_sharpe, return_moments, t_interval
from tradeready_gym.rendering.report import Curve, render_fold_report
from tradeready_gym.strategies import walk_forward as module
from tradeready_gym.strategies.baselines import Flat, MovingAverageCross
from tradeready_gym.strategies.experiment import Experiment
from tradeready_gym.strategies.fold_card import walk_forward_card
from tradeready_gym.strategies.fold_pages import fold_rows, median_curve, remarks_of, total_rows, walk_forward_report
from tradeready_gym.strategies.matching import trade_like
from tradeready_gym.strategies.trials import Trial
from tradeready_gym.strategies.walk_forward import Fold, FoldResult, WalkForward, walk_forward

DAY = 86_400_000_000
FEW = {
    "data": "sample",
    "timeframe": "1d",
    "observation_features": ["returns", "position"],
    "lookback_window": 5,
}


@pytest.fixture(scope="module")
def walked() -> WalkForward:
    """Three seeds that are rules in fact, over four folds; in the second, none of them trades."""

    def play(experiment: Experiment, fold: Fold, seed: int, random_seeds: int) -> FoldResult:
        rule = Flat() if fold.number == 1 else MovingAverageCross(3 + seed, 12)
        test = experiment.make(fold.test.start_time, fold.test.end_time)
        played = rule.evaluate(test)
        return FoldResult(fold, seed, played, trade_like(played, test, random_seeds))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_train_and_test", play)
        experiment = Experiment("TradeReady-BTC-v0", FEW, steps=1, seeds=(0, 1, 2), label="rules")
        return walk_forward(experiment, folds=4, workers=1, purge=5, embargo=3, random_seeds=4)


def card_of(walked: WalkForward, **changes: Any) -> dict[str, Any]:
    return walk_forward_card(walked, **({"trials": walked.trials} | changes))


def test_the_card_is_json_with_every_fold_seed_and_gap(walked: WalkForward) -> None:
    card = card_of(walked, command="tradeready walk-forward x")
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert (card["purge_candles"], card["embargo_candles"], card["command"]) == (5, 3, "tradeready walk-forward x")
    assert [fold["number"] for fold in card["folds"]] == [1, 2, 3, 4]
    for fold, found in zip(walked.folds, card["folds"], strict=True):
        assert fold.test.start - fold.training.end == 8 * DAY
        values = [walked.of_fold(fold)[k].evaluation.metric("roi_pct")[0] for k in range(3)]
        assert [one["roi_pct"] for one in found["seeds"].values()] == values
        interval = t_interval(values)
        assert found["across_seeds"]["roi_pct"]["mean"]["low"] == interval.low
        assert "3 seeds are too few" in found["across_seeds"]["roi_pct"]["mean"]["warning"]


def test_all_tests_as_one_are_the_product_of_the_tests(walked: WalkForward) -> None:
    card = card_of(walked)
    for seed in ("0", "1", "2"):
        growth = np.prod([1.0 + fold["seeds"][seed]["roi_pct"] / 100.0 for fold in card["folds"]])
        assert card["all_tests"]["seeds"][seed]["roi_pct"] == pytest.approx(100.0 * (growth - 1.0))
    assert set(card["all_tests"]["baselines"]) == {"Buy and hold", "Flat", "MA cross 20/50", "Random"}


def test_random_traders_of_every_seed_and_test_are_on_the_card_with_how_well_they_match(walked: WalkForward) -> None:
    card = card_of(walked)
    assert [(one["fold"], one["seed"]) for one in card["random_traders"]] == [
        (k, s) for k in (1, 2, 3, 4) for s in (0, 1, 2)
    ]
    ratios = [one["turnover_ratio"] for one in card["random_traders"]]
    assert ratios[3:6] == [None] * 3  # of the test in which nobody traded
    assert [ratio for ratio in ratios if ratio is not None] == pytest.approx([1.0] * 9, abs=0.1)
    curves = walked.chained_traders(1)
    assert len(curves) == 4 and all(len(curve) == len(walked.chained(1)[1]) for curve in curves)
    growth = [
        np.prod([r.traders.equity[2][-1] / r.traders.equity[2][0] for r in walked.results if r.seed == 1 and r.traders])
    ]
    assert curves[2][-1] / curves[2][0] == pytest.approx(growth[0])
    gain = walked.chained(1)[1][-1]
    ahead = np.mean([(gain > curve[-1]) + 0.5 * (gain == curve[-1]) for curve in curves])
    assert card["all_tests"]["ahead_of_random_traders"]["1"] == ahead
    returns = [100.0 * (c[-1] / c[0] - 1.0) for seed in (0, 1, 2) for c in walked.chained_traders(seed)]
    assert card["all_tests"]["baselines"]["Random"]["roi_pct"] == pytest.approx(np.median(returns))
    assert card["folds"][1]["baselines"]["Random"]["total_trades"] == 0
    assert set(card["baselines_played_with"].values()) == {"Holdings(threshold=0.01)"}
    assert "of those like itself. Their turnover is" in " ".join(remarks_of(walked, card))


def test_a_seed_is_deflated_by_every_trial_that_is_known(walked: WalkForward) -> None:
    other = Trial("BTCUSDT", 0, 1, "other", 0.0002)
    alone, among = (
        card_of(walked, trials=trials)["all_tests"]["seeds"]["1"]["deflated_sharpe"]
        for trials in (walked.trials, [*walked.trials, other])
    )
    equity = walked.chained(1)[1]
    moments = return_moments(np.diff(equity) / equity[:-1])
    root = 86_400.0**0.5
    ratios = [root * trial.sharpe for trial in (*walked.trials, other) if trial.sharpe is not None]
    assert among == pytest.approx(deflated_sharpe(moments, ratios), rel=1e-9)
    assert among < alone
    assert card_of(walked, trials=())["all_tests"]["seeds"]["1"]["deflated_sharpe"] is None


def test_every_seed_is_one_trial_over_all_tests_and_the_same_one_again(walked: WalkForward) -> None:
    trials = walked.trials
    assert len({trial.agent for trial in trials}) == 3
    assert trials == walked.trials
    assert {(trial.start, trial.end) for trial in trials} == {(walked.folds[0].test.start, walked.folds[-1].test.end)}
    equity = walked.chained(2)[1]
    returns = np.diff(equity) / equity[:-1]
    assert trials[2].sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) / 86_400.0**0.5)


def test_the_middle_half_of_all_tests_leaves_out_what_has_no_figure_and_says_so(walked: WalkForward) -> None:
    found = card_of(walked)["all_tests"]["interquartile_mean_of_tests"]
    returns = sorted(one.evaluation.metric("roi_pct")[0] for one in walked.results)
    assert found["roi_pct"]["estimate"] == pytest.approx(np.mean(returns[3:9]))
    assert "1 of 4 tests have no such figure" in found["sharpe_ratio"]["warning"]
    assert "3 seeds are too few" in found["sharpe_ratio"]["warning"]


def test_the_page_says_what_was_not_traded_and_what_few_seeds_are_worth(walked: WalkForward) -> None:
    card = card_of(walked)
    rows, lines = fold_rows(walked, card), remarks_of(walked, card)
    assert [row["trades"] == "none" for row in rows] == [False, True, False, False]
    assert rows[1]["Sharpe"] == "no trade" and "[" in rows[0]["return %"]
    said = " ".join(lines)
    assert "Nothing at all was traded in fold 2" in said
    assert "after a gap: 3 candles of embargo and 5 candles of purge" in said
    assert "3 seeds are too few to rely on the intervals; take at least 10." in said
    assert "Over 4 tests" in lines[0] and "buy and hold" in lines[0]
    assert [row["strategy"] for row in total_rows(card)] == [
        *(f"PPO, seed {seed}" for seed in range(3)), "Buy and hold", "Flat", "MA cross 20/50", "Random",
    ]  # fmt: skip
    page = render_fold_report(walk_forward_report("A walk", walked, card))
    assert "3 seeds: too few to rely on" in page and "no trade" in page and "Omega" in page
    assert "nan" not in page.lower()


def test_a_single_seed_is_called_an_anecdote(walked: WalkForward) -> None:
    one = WalkForward(
        Experiment("TradeReady-BTC-v0", FEW, steps=1, seeds=(0,)),
        walked.folds,
        tuple(result for result in walked.results if result.seed == 0),
        walked.baselines,
        walked.environment,
    )
    card = card_of(one, trials=one.trials)
    assert "1 seed: an anecdote." in " ".join(remarks_of(one, card))
    assert "without a gap (no purge, no embargo)" in " ".join(remarks_of(one, card))
    assert card["all_tests"]["interquartile_mean_of_tests"]["roi_pct"] is None
    assert "PPO, seed 0" in render_fold_report(walk_forward_report("x", one, card))


def test_the_median_is_of_each_time_and_who_has_ended_counts_with_what_is_left() -> None:
    early = Curve("a", np.array([0, 1, 2]), np.array([100.0, 90.0, 10.0]))
    long = Curve("b", np.array([0, 1, 2, 3]), np.array([100.0, 110.0, 120.0, 140.0]))
    median = median_curve("m", [early, long])
    assert median.times.tolist() == [0, 1, 2, 3]
    assert median.equity.tolist() == [100.0, 100.0, 65.0, 75.0]
