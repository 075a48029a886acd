"""A real learner learns, is kept, and comes back the same."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tradeready_gym import TargetPosition
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import ConfigurationError, NotFitted, StoreError, UnknownName
from tradeready_gym.features import RelativeCandles, StandardScaler
from tradeready_gym.market import Candles
from tradeready_gym.market.worlds import trend
from tradeready_gym.strategies import BuyAndHold, Flat, StableBaselinesTradingStrategy
from tradeready_gym.tracking import list_runs, read_run

CUT = "2021-05-01T00:00:00Z"


def environment(candles: Candles | None = None, **arguments: Any) -> TradingEnvironment:
    settings: dict[str, Any] = {
        "data": trend(bars=4_000, seed=0) if candles is None else candles,
        "action_scheme": "target_position",
        "reward_scheme": "log_return",
        "feature_pipeline": ["returns", "position"],
        "lookback_window": 10,
        "fee_rate": 0.0,
        "slippage": "none",
    }
    return TradingEnvironment(**(settings | arguments))


def learner(market: Any = None, **arguments: Any) -> StableBaselinesTradingStrategy:
    settings: dict[str, Any] = {"num_envs": 32, "track_training": False}
    return StableBaselinesTradingStrategy(market, **(settings | arguments))


@pytest.fixture(scope="module")
def trained() -> StableBaselinesTradingStrategy:
    strategy = learner(environment(end_time=CUT))
    strategy.train(60_000)
    return strategy


def test_ppo_learns_to_follow_trends_and_beats_flat_and_holding_where_it_has_not_learned(
    trained: StableBaselinesTradingStrategy,
) -> None:
    held_out = environment(start_time=CUT)
    agent, hold, flat = (s.evaluate(held_out) for s in (trained, BuyAndHold(), Flat()))
    assert not agent.in_sample
    assert agent.metric("roi_pct")[0] > max(hold.metric("roi_pct")[0], flat.metric("roi_pct")[0], 0.0)
    assert agent.metric("roi_pct")[0] > 50.0


def test_evaluating_where_it_has_learned_is_called_in_sample(trained: StableBaselinesTradingStrategy) -> None:
    assert trained.evaluate(steps=10).in_sample


def test_evaluation_is_deterministic_and_changes_no_weight(trained: StableBaselinesTradingStrategy) -> None:
    before = [p.detach().clone() for p in trained.model.policy.parameters()]
    once, again = (trained.evaluate(steps=200).episodes[0].net_worth for _ in range(2))
    assert np.array_equal(once, again)
    assert all(torch.equal(p, q) for p, q in zip(before, trained.model.policy.parameters(), strict=True))


def test_a_saved_strategy_acts_the_same_in_another_process(
    trained: StableBaselinesTradingStrategy, tmp_path: Path
) -> None:
    folder = trained.save(tmp_path / "agent")
    here = trained.evaluate(environment(start_time=CUT, interpreted=True), steps=100).episodes[0].net_worth
    program = f"""
import json
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.market.worlds import trend
from tradeready_gym.strategies import StableBaselinesTradingStrategy
market = TradingEnvironment(data=trend(bars=4_000, seed=0), action_scheme="target_position", reward_scheme="log_return",
    feature_pipeline=["returns", "position"], lookback_window=10, fee_rate=0.0, slippage="none",
    start_time={CUT!r}, interpreted=True)
agent = StableBaselinesTradingStrategy.load({str(folder)!r}, market)
result = agent.evaluate(steps=100)
print(json.dumps([result.in_sample, agent.trained_steps, result.episodes[0].net_worth.tolist()]))
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    in_sample, steps, net_worth = json.loads(answer)
    assert net_worth == here.tolist()
    assert steps == trained.trained_steps
    assert not in_sample


def test_the_card_says_what_was_trained_on_what(trained: StableBaselinesTradingStrategy, tmp_path: Path) -> None:
    card = json.loads((trained.save(tmp_path) / "strategy.json").read_text())
    assert card["policy"]["algorithm"].endswith(":PPO")
    assert card["learned_from"][0]["end"] == CUT
    assert card["interface"]["window"] == ["returns"]
    assert card["composition"]["fee_rate"] == 0.0
    assert card["versions"]["stable-baselines3"]


def test_training_goes_on_after_loading(trained: StableBaselinesTradingStrategy, tmp_path: Path) -> None:
    again = StableBaselinesTradingStrategy.load(trained.save(tmp_path), environment(end_time=CUT))
    seen: list[tuple[int, int]] = []
    again.train(3_000, progress=lambda done, of: seen.append((done, of)))
    assert again.trained_steps > trained.trained_steps
    assert seen[0] == (trained.trained_steps + 32, trained.trained_steps + 3_000)
    assert len(again.learned) == 1


def test_observations_are_scaled_by_the_training_span_and_never_again(
    trained: StableBaselinesTradingStrategy,
) -> None:
    scaling = trained.model.policy.features_extractor
    candles = trained.environment.engine.market.candles
    cut = candles.row_of(CUT)
    returns = np.diff(np.log(candles.close[0]))[: cut - 1]
    assert scaling.divisor[:10].numpy() == pytest.approx(returns.std(), rel=1e-3)
    before = scaling.divisor.clone()
    trained.evaluate(environment(trend(bars=2_000, seed=5, drift=0.01, noise=0.02)), steps=50)
    assert torch.equal(before, scaling.divisor)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lookback_window": 11}, "lookback_window = 10; the environment has 11"),
        ({"feature_pipeline": ["momentum_10", "position"]}, "window = .*returns.*momentum_10"),
        ({"feature_pipeline": ["returns", "balance"]}, "account = .*position.*balance"),
        ({"action_scheme": "hold_buy_sell"}, "action_scheme = TargetPosition.*; the environment has HoldBuySell"),
        ({"action_scheme": TargetPosition((1.0, 0.0))}, "its actions mean something else"),
        ({"steps_per_action": 2}, "steps_per_action = 1; the environment has 2"),
        ({"timeframe": "4h"}, "timeframe = 1h; the environment has 4h"),
    ],
)
def test_an_environment_unlike_the_trained_one_is_refused(
    trained: StableBaselinesTradingStrategy, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        trained.environment = environment(**({"interpreted": True} | change))


def test_training_repeats_with_its_seed_and_another_seed_sees_other_windows() -> None:
    weights, seeds = [], []
    for seed in (1, 1, 2):
        strategy = learner(environment(), seed=seed)
        strategy.train(2_000)
        weights.append(torch.cat([p.detach().flatten() for p in strategy.model.policy.parameters()]))
        engine = strategy.model.get_env().venv.environment.engine
        seeds.append(set(engine.state.accounts["seed"].tolist()))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not seeds[0] & seeds[2]


def test_training_is_written_to_the_journal_with_its_label() -> None:
    known = {run.run_id for run in list_runs()}
    strategy = learner(environment(), track_training=True, strategy_label="kept", window_bars=50)
    strategy.train(4_000)
    (run,) = [run for run in list_runs() if run.run_id not in known]
    assert (run.strategy_label, run.status) == ("kept", "completed")
    assert run.config["episode_end"] == "gymnasium"
    # 125 steps of each of 32 accounts hold two episodes of 50; the algorithm goes on to the end of its rollout
    assert run.config["episodes_total"] == 64
    assert len(read_run(run.path).episodes) >= 64


def test_the_threads_of_pytorch_are_as_before_after_training() -> None:
    threads = torch.get_num_threads()
    learner(environment(), num_envs=4, model_kwargs={"n_steps": 16}).train(64)
    assert torch.get_num_threads() == threads


def test_a_scaler_that_was_fitted_elsewhere_is_refused_and_the_saved_one_is_there_to_be_used(tmp_path: Path) -> None:
    candles = trend(bars=400, seed=0)
    first, second = (
        StandardScaler(RelativeCandles()).fit(candles, "2021-01-01T00:00:00Z", end)
        for end in ("2021-01-08T00:00:00Z", "2021-01-09T00:00:00Z")
    )
    strategy = learner(environment(candles, feature_pipeline=[first, "position"]), model_kwargs={"n_steps": 2})
    strategy.train(64)
    again = StableBaselinesTradingStrategy.load(strategy.save(tmp_path))
    with pytest.raises(ConfigurationError, match="other parameters, or fitted on another span"):
        again.environment = environment(candles, feature_pipeline=[second, "position"], interpreted=True)
    again.environment = environment(candles, feature_pipeline=again.feature_pipeline, interpreted=True)


def test_an_unknown_algorithm_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'PPO'"):
        learner(model="PPPO")


@pytest.mark.parametrize("steps", [0, -1, 2.5, True])
def test_a_number_of_steps_that_is_none_is_refused(steps: Any) -> None:
    with pytest.raises(ConfigurationError, match="steps"):
        learner(environment(interpreted=True)).train(steps)


def test_what_has_not_learned_neither_plays_nor_is_saved(tmp_path: Path) -> None:
    strategy = learner(environment(interpreted=True))
    with pytest.raises(NotFitted, match="train"):
        strategy.evaluate()
    with pytest.raises(NotFitted, match="train"):
        strategy.save(tmp_path)


def test_a_folder_without_a_strategy_or_with_a_damaged_one_is_refused(
    trained: StableBaselinesTradingStrategy, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="holds no saved strategy"):
        StableBaselinesTradingStrategy.load(tmp_path / "nothing")
    folder = trained.save(tmp_path / "agent")
    (folder / "model.zip").write_bytes(b"not a model")
    with pytest.raises(StoreError, match=r"cannot be read: model\.zip is damaged"):
        StableBaselinesTradingStrategy.load(folder)
    (folder / "strategy.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        StableBaselinesTradingStrategy.load(folder)


def test_without_the_extra_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'tradeready-gym\[sb3\]'"):
        StableBaselinesTradingStrategy()


def test_strategies_are_imported_without_the_learners() -> None:
    program = "import sys, tradeready_gym.strategies as s; s.BuyAndHold(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
