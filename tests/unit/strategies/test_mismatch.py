"""An agent refuses what means something else, by name, and takes what does not."""

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from small_worlds import random_candles, trend_env
from tradeready_gym.agents import MismatchWarning, version_differences
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.exchanges import MarginAccount
from tradeready_gym.market import Candles
from tradeready_gym.strategies import Checkpoints, StableBaselinesTradingStrategy, TrainingCallback

CUT = "2024-01-16T00:00:00Z"
LATER = "2024-01-06T00:00:00Z"
WORLD = random_candles(500)
CUMULATIVE = ["returns", {"name": "talib", "function": "AD"}, "position"]


def environment(candles: Candles | list[Candles] = WORLD, **arguments: Any) -> TradingEnvironment:
    return trend_env(**{"data": candles, "interpreted": False, **arguments})


def held_out(candles: Candles | list[Candles] = WORLD, **arguments: Any) -> TradingEnvironment:
    return environment(candles, **{"start_time": CUT, **arguments})


def trained_on(market: TradingEnvironment, folder: Path) -> Path:
    sizes = {"n_steps": 16, "policy_kwargs": {"net_arch": [8]}}
    strategy = StableBaselinesTradingStrategy(market, model_kwargs=sizes, num_envs=4, track_training=False)
    strategy.train(64)
    return strategy.save(folder)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_on(environment(end_time=CUT), tmp_path_factory.mktemp("agent"))


def changed(name: str, rows: Any, factor: float = 1.001, candles: Candles = WORLD) -> Candles:
    values: dict[str, Any] = {
        one: np.array(getattr(candles, one)) for one in ("open", "high", "low", "close", "volume")
    }
    values[name][:, rows] *= factor
    values["high"] = np.maximum(values["high"], np.maximum(values["open"], values["close"]))
    values["low"] = np.minimum(values["low"], np.minimum(values["open"], values["close"]))
    return replace(candles, **values)


def load(agent: Path, market: Any = None, **arguments: Any) -> StableBaselinesTradingStrategy:
    return StableBaselinesTradingStrategy.load(agent, market, **arguments)


# ---- data ----


@pytest.mark.parametrize(
    ("name", "row"), [("close", 200), ("volume", 201), ("open", 0)], ids=["a close", "a volume", "before any episode"]
)
def test_a_revised_candle_that_was_learned_from_is_refused(agent: Path, name: str, row: int) -> None:
    revised = changed(name, row)
    with pytest.raises(ConfigurationError, match=r"BTCUSDT 1h of arrays from 2024-01-01.*revised.*allow='data'"):
        load(agent, held_out(revised))
    with pytest.raises(ConfigurationError, match="revised"):
        load(agent).evaluate(held_out(revised))
    assert len(load(agent, held_out(revised), allow="data").evaluate(steps=3).episodes) == 1


def test_of_two_venues_that_were_learned_from_each_is_one_of_them_and_a_revised_one_is_neither(tmp_path: Path) -> None:
    other = changed("close", slice(None, None, 2), 1.0001)
    both = [WORLD, other]
    agent = trained_on(environment(both, end_time=CUT), tmp_path)
    for market in (environment(both, end_time=CUT), held_out(both), held_out(WORLD), held_out(other)):
        assert load(agent, market).environment is market
    with pytest.raises(ConfigurationError, match="revised"):
        load(agent, held_out(changed("close", 200, 1.001, other)))


def test_prices_that_were_adjusted_as_a_whole_were_revised(agent: Path) -> None:
    halved: dict[str, Any] = {name: getattr(WORLD, name) * 0.5 for name in ("open", "high", "low", "close")}
    adjusted = replace(WORLD, **halved)
    with pytest.raises(ConfigurationError, match="revised"):
        load(agent, held_out(adjusted))


def test_data_that_begin_later_are_compared_by_the_closes_that_are_kept(agent: Path) -> None:
    later = WORLD.between(LATER)
    assert load(agent, held_out(later)).evaluate(steps=3).in_sample is False
    every = slice(0, 200)
    with pytest.raises(ConfigurationError, match="revised"):
        load(agent, held_out(changed("close", every, candles=later)))


def test_what_comes_after_the_training_may_be_revised_longer_or_have_more_columns(agent: Path) -> None:
    after = changed("close", slice(400, 500), 1.05)
    with_column = replace(WORLD, columns={"signal": np.zeros(WORLD.close.shape)})
    # a walk of more steps begins with the same ones, but the volumes are drawn after them
    more = random_candles(700)
    volume = np.array(more.volume)
    volume[:, :500] = WORLD.volume
    longer = replace(more, volume=volume)
    for candles in (after, with_column, longer):
        load(agent, held_out(candles))


def test_another_market_of_the_same_name_is_no_revision(agent: Path) -> None:
    load(agent, held_out(random_candles(500, seed=1)))
    load(agent, held_out(random_candles(500, symbols=("ETHUSDT",))))


def test_other_numbers_of_another_source_are_said_and_played(agent: Path) -> None:
    other = replace(changed("close", slice(0, 300)), source="another venue")
    with pytest.warns(MismatchWarning, match="learned from BTCUSDT 1h of arrays.*data of another venue have other num"):
        load(agent, held_out(other))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(agent, held_out(other), allow=["data"])
        load(agent, held_out(replace(WORLD, source="another venue")))
        load(agent, held_out(replace(changed("volume", 200), source="another venue")))


def test_each_path_of_a_simulated_market_is_known_again(tmp_path: Path) -> None:
    paths = [random_candles(200, seed=seed) for seed in range(3)]
    folder = trained_on(environment(paths), tmp_path)
    load(folder, environment(paths[::-1]))
    load(folder, environment(paths[1]))
    with pytest.raises(ConfigurationError, match="revised"):
        load(folder, environment(changed("volume", 5, candles=paths[1])))


def test_resume_is_refused_on_revised_data_and_on_another_anchor(tmp_path: Path) -> None:
    class Crash(TrainingCallback):
        def on_rollout(self, strategy: Any) -> bool | None:
            raise KeyboardInterrupt

    sizes = {"n_steps": 16, "policy_kwargs": {"net_arch": [8]}}
    market = environment(end_time=CUT)
    strategy = StableBaselinesTradingStrategy(market, model_kwargs=sizes, num_envs=4, track_training=False)
    with pytest.raises(KeyboardInterrupt):
        strategy.train(256, callbacks=[Checkpoints(tmp_path, 64), Crash()])
    latest = Checkpoints.latest(tmp_path)
    with pytest.raises(ConfigurationError, match="revised"):
        load(latest, environment(changed("close", 100), end_time=CUT)).resume()
    for other in (changed("close", 100), WORLD.between("2024-01-02T00:00:00Z")):
        loaded = load(latest, environment(other, end_time=CUT), allow=("data", "anchor"))
        with pytest.raises(ConfigurationError, match=r"resume\(\) goes on in the environment.*candles was .*, is "):
            loaded.resume()


# ---- anchor ----


def test_a_feature_that_never_forgets_is_refused_on_data_that_begin_elsewhere(tmp_path: Path) -> None:
    folder = trained_on(environment(end_time=CUT, feature_pipeline=CUMULATIVE), tmp_path)
    load(folder, held_out(feature_pipeline=CUMULATIVE))
    later = held_out(WORLD.between(LATER), feature_pipeline=CUMULATIVE)
    with pytest.raises(
        ConfigurationError,
        match=r"'talib:AD'.*anchor 2024-01-01T00:00:00Z; the environment's begin at 2024-01-06.*allow='anchor'",
    ):
        load(folder, later)
    load(folder, later, allow="anchor").evaluate(steps=2)


def test_a_feature_that_forgets_may_begin_elsewhere(tmp_path: Path) -> None:
    features = ["rsi_14", "position"]
    folder = trained_on(environment(end_time=CUT, feature_pipeline=features), tmp_path)
    load(folder, held_out(WORLD.between(LATER), feature_pipeline=features))


# ---- the account ----


def test_an_agent_of_a_spot_account_is_refused_on_margin_and_at_other_costs_it_is_not(agent: Path) -> None:
    with pytest.raises(ConfigurationError, match="trained with account_type = spot; the environment has margin"):
        load(agent, held_out(account=MarginAccount(leverage=2.0)))
    load(agent, held_out(fee_rate=0.01))


# ---- versions ----


def rewritten(agent: Path, folder: Path, versions: Callable[[dict[str, str]], dict[str, str]]) -> Path:
    folder.mkdir()
    for file in agent.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    card = json.loads((folder / "strategy.json").read_text())
    (folder / "strategy.json").write_text(json.dumps({**card, "versions": versions(card["versions"])}))
    return folder


@pytest.mark.parametrize("name", ["python", "numpy", "torch", "stable-baselines3"])
def test_another_minor_version_is_said_by_name_and_a_patch_is_not(agent: Path, name: str, tmp_path: Path) -> None:
    def patched(versions: dict[str, str]) -> dict[str, str]:
        major, minor = versions[name].split(".")[:2]
        return {**versions, name: f"{major}.{minor}.999+cpu"}

    load(rewritten(agent, tmp_path / "patch", patched))
    older = rewritten(agent, tmp_path / "older", lambda versions: {**versions, name: "0.1.2"})
    with pytest.warns(MismatchWarning, match=rf"saved with {name} 0\.1\.2 \(here "):
        load(older)
    load(older, allow="versions")


def test_what_is_not_installed_here_is_no_difference() -> None:
    assert version_differences({"no-such-package": "1.0"}) == []


def test_only_what_can_be_allowed_is_allowed(agent: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown mismatch to allow 'dta'; known: anchor, data, versions.*'data'"):
        load(agent, allow="dta")
