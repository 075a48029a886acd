"""A trained agent at work: it decides as it was judged, and is stopped, flattened, killed and resumed."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tradeready_gym.errors import ConfigurationError, StoreError
from tradeready_gym.live import ReplayFeed
from tradeready_gym.live.deployments import Deployment, decisions_of, list_deployments
from tradeready_gym.market import Candles, Span, resolve
from tradeready_gym.strategies import StableBaselinesTradingStrategy
from tradeready_gym.strategies.deployment import work
from tradeready_gym.strategies.experiment import Experiment

END = "2021-06-01T00:00:00Z"
ARGUMENTS: dict[str, Any] = {
    "data": "sample",
    "timeframe": "1h",
    "lookback_window": 1,
    "position_size": 0.5,
    "observation_features": ["momentum_24", "rsi_14", "ma_ratio_50", "balance", "position"],
    "episode_end": "gymnasium",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An agent that learned for a moment, so that it does this and that."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    experiment = Experiment("TradeReady-BTC-v0", ARGUMENTS, end=END)
    environment = experiment.make(None, END)
    sizes = {"n_steps": 64, "batch_size": 64}
    strategy = StableBaselinesTradingStrategy(environment, model_kwargs=sizes, num_envs=4, track_training=False)
    strategy.run(steps=256)
    _stir(strategy)
    strategy.save(experiment.folder_of(folder, 0))
    experiment.save(folder, trained_on=_span())
    return folder


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = Path(os.environ["TRADEREADY_HOME"]) / "compiled"
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "compiled").symlink_to(compiled.resolve(), target_is_directory=True)
    monkeypatch.setenv("TRADEREADY_HOME", str(tmp_path / "home"))


def candles(end: str = "2021-07-01T00:00:00Z") -> Candles:
    return resolve("sample", symbols=("BTCUSDT",), timeframe="1h")[0].between(None, end)


def deployment(run: Path, **changes: Any) -> Deployment:
    values: dict[str, Any] = {
        "name": "tiny", "run": str(run), "seed": 0, "symbols": ("BTCUSDT",), "timeframe": "1h", "feed": "replay:sample:x:",
    }  # fmt: skip
    made = Deployment(**values | changes)
    made.save()
    return made


def test_a_deployed_agent_decides_and_earns_as_it_was_judged(run: Path) -> None:
    experiment = Experiment.load(run)
    environment = experiment.make(END, "2021-07-01T00:00:00Z")
    judged = StableBaselinesTradingStrategy.load(experiment.folder_of(run, 0), environment)
    curve = judged.run(episodes=1, testing=True).net_worth
    made = deployment(run)
    status = work(made, ReplayFeed(candles(), END), steps=300)
    assert status["equity"] == curve[300]
    log = list(decisions_of(made, 300))
    assert [line["equity"] for line in log] == curve[1:301].tolist()
    assert len({json.dumps(line["action"]) for line in log}) > 1
    assert (status["state"], status["step"], status["virtual_time"]) == ("stopped", 300, "2021-06-13T12:00:00Z")


def test_what_is_stopped_goes_on_as_if_it_had_not_been(run: Path) -> None:
    whole = work(deployment(run, name="whole"), ReplayFeed(candles(), END), steps=90)
    parts = deployment(run, name="parts")
    for steps in (20, 1, 69):
        status = work(parts, ReplayFeed(candles(), END), steps=steps)
    names = ("equity", "cash", "positions", "virtual_time", "step")
    assert {name: status[name] for name in names} == {name: whole[name] for name in names}


def test_the_end_of_a_recording_ends_the_work_and_says_so(run: Path) -> None:
    made = deployment(run)
    assert work(made, ReplayFeed(candles("2021-06-02T00:00:00Z"), END))["state"] == "feed ended"
    assert made.status["alive"] is False


def test_a_day_that_loses_too_much_sells_everything(run: Path) -> None:
    crash = candles()
    falling = np.ones(len(crash))
    falling[crash.row_of("2021-06-03T00:00:00Z") :] = 0.5
    values = [getattr(crash, name)[0] * falling for name in ("open", "high", "low", "close")]
    market = Candles.from_arrays("BTCUSDT", "1h", crash.times, *[*values, crash.volume[0]])
    made = deployment(run, daily_loss_pct=1.0)
    status = work(made, ReplayFeed(market, END))
    assert (status["state"], status["positions"], status["open_orders"]) == ("killed", {}, 0)


def test_a_day_does_not_begin_anew_because_a_process_does(run: Path) -> None:
    falling = candles()
    level = np.cumprod(np.where(np.arange(len(falling)) > falling.row_of(END) + 3, 0.999, 1.0))
    values = [getattr(falling, name)[0] * level for name in ("open", "high", "low", "close")]
    market = Candles.from_arrays("BTCUSDT", "1h", falling.times, *[*values, falling.volume[0]])
    whole = work(deployment(run, name="whole", daily_loss_pct=1.5), ReplayFeed(market, END))
    parts = deployment(run, name="parts", daily_loss_pct=1.5)
    for _ in range(whole["step"]):
        status = work(parts, ReplayFeed(market, END), steps=1)
    assert whole["state"] == status["state"] == "killed"
    assert status["virtual_time"] == whole["virtual_time"]
    # what was killed today is killed again before it decides
    again = work(parts, ReplayFeed(market, END))
    assert (again["state"], again["step"]) == ("killed", whole["step"])


def test_flatten_sells_everything_and_stop_does_not(run: Path) -> None:
    environment = dict(os.environ)
    for order, state in (("stop", "stopped"), ("flatten", "flat")):
        made = deployment(run, name=order, feed=f"replay:sample:{END}:7200")
        command = [sys.executable, "-m", "tradeready_gym.cli", "live", "resume", order]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment) as process:
            begin = time.monotonic()
            while not (made.status["alive"] and made.status.get("step", 0) > 3):
                assert process.poll() is None, process.stdout and process.stdout.read().decode()
                assert time.monotonic() - begin < 60.0
                time.sleep(0.05)
            made.ask(order)
            assert process.wait(30.0) == 0
        assert made.status["state"] == state
        if order == "flatten":
            assert made.status["positions"] == {}
        with pytest.raises(ConfigurationError, match="nobody to ask"):
            made.ask("stop")


def test_a_name_is_taken_once(run: Path) -> None:
    deployment(run)
    with pytest.raises(ConfigurationError, match="another deployment"):
        deployment(run, daily_loss_pct=5.0)
    assert [found.name for found in list_deployments()] == ["tiny"]
    with pytest.raises(StoreError, match="there are: tiny"):
        Deployment.load("other")
    with pytest.raises(ConfigurationError, match="name has letters"):
        deployment(run, name="../tiny")


def test_an_agent_of_another_timeframe_is_refused(run: Path) -> None:
    four = candles().resample("4h")
    with pytest.raises(ConfigurationError, match="timeframe"):
        work(deployment(run, timeframe="4h"), ReplayFeed(four, END), steps=1)


def test_an_agent_that_learned_from_candles_which_were_revised_is_not_deployed(run: Path) -> None:
    known = candles()
    begin = "2021-05-20T00:00:00Z"  # so that some of what it learned from is the history
    values: dict[str, Any] = {name: getattr(known, name) * 1.0001 for name in ("open", "high", "low", "close")}
    revised = replace(known, **values)
    with pytest.raises(ConfigurationError, match=r"learned from BTCUSDT 1h of sample.*revised.*allow='data'"):
        work(deployment(run), ReplayFeed(revised, begin), steps=1)
    allowed = deployment(run, name="allowed", allow=("data",))
    assert Deployment.load("allowed") == allowed
    assert work(allowed, ReplayFeed(revised, begin), steps=1)["state"] == "stopped"


def test_an_agent_whose_features_never_forget_is_deployed_where_they_began_only(tmp_path: Path) -> None:
    features = ["returns", {"name": "talib", "function": "OBV"}, "position"]
    experiment = Experiment("TradeReady-BTC-v0", {**ARGUMENTS, "observation_features": features}, end=END)
    sizes = {"n_steps": 16, "batch_size": 64}
    strategy = StableBaselinesTradingStrategy(
        experiment.make(None, END), model_kwargs=sizes, num_envs=4, track_training=False
    )
    strategy.train(64)
    strategy.save(experiment.folder_of(tmp_path / "sums", 0))
    experiment.save(tmp_path / "sums", trained_on=_span())
    assert work(deployment(tmp_path / "sums", name="whole"), ReplayFeed(candles(), END), steps=1)["step"] == 1
    later = candles().between("2021-04-01T00:00:00Z")
    with pytest.raises(ConfigurationError, match=r"'talib:OBV'.*begin at the anchor 2021-01-01.*begin at 2021-04-01"):
        work(deployment(tmp_path / "sums", name="later"), ReplayFeed(later, END), steps=1)


def _stir(strategy: StableBaselinesTradingStrategy) -> None:
    import torch

    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in strategy.model.policy.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)


def _span() -> Span:
    step = 3_600_000_000
    return Span(candles().start + 200 * step, candles().row_of(END) * step + candles().start)
