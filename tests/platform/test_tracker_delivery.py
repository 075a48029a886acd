"""A training tracked to a real server: what `gym.make(..., api_key=...)` reports is there, once each, and in order."""

import os
import socket
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from serving import Served, serving

from patience import eventually
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import DataUnavailable, DownloadError, PlatformRefused
from tradeready_gym.market import load_sample
from tradeready_gym.market.sources.platform import PlatformCandles
from tradeready_gym.market.timeframe import Timeframe
from tradeready_gym.platform.ingest import JournalIngest
from tradeready_gym.tracking import TrackingWarning, TrainingTracker, courier, list_runs, read_run

RUNS = "/api/v1/training/runs"
WEEK = ("2022-01-01T00:00:00Z", "2022-01-08T00:00:00Z")
SPAN: dict[str, Any] = {"start_time": "2022-01-01T00:00:00Z", "end_time": "2022-02-01T00:00:00Z", "timeframe": "1h"}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The client's own home: nothing is shared with the server but HTTP."""
    home = tmp_path / "client"
    home.mkdir()
    (home / "compiled").symlink_to(Path(os.environ["TRADEREADY_HOME"]) / "compiled", target_is_directory=True)
    monkeypatch.setenv("TRADEREADY_HOME", str(home))
    monkeypatch.setenv("TRADEREADY_OFFLINE", "1")
    monkeypatch.setattr(courier, "GATHER_S", 0.02)
    monkeypatch.setattr(courier, "_IDLE_S", 0.05)
    return home


def make(server: Served, **arguments: Any) -> gymnasium.Env[Any, Any]:
    given = {"api_key": server.key, "base_url": server.url, **SPAN, **arguments}
    return gymnasium.make("TradeReady-BTC-v0", **given)


def play(env: gymnasium.Env[Any, Any], episodes: int) -> list[dict[str, float]]:
    metrics = []
    for number in range(episodes):
        env.reset(seed=5 if number == 0 else None)
        done, step = False, 0
        while not done:
            step += 1
            *_, terminated, truncated, info = env.step(step % 3)
            done = terminated or truncated
        metrics.append(info["episode_metrics"])
    return metrics


def numbers(server: Served, run_id: str) -> list[int]:
    found: list[int] = []
    while True:
        page = server.client.get(f"{RUNS}/{run_id}/episodes", params={"limit": 1000, "offset": len(found)}).json()
        found += [episode["episode_number"] for episode in page["episodes"]]
        if len(found) >= page["total"]:
            return found


def test_a_training_appears_on_the_platform_while_it_trains(served: Served) -> None:
    env = make(served, strategy_label="ppo_v1", episode_length=48)
    tracker = env.unwrapped.tracker  # type: ignore[attr-defined]
    env.reset(seed=5)
    assert eventually(lambda: served.client.get(f"{RUNS}/{tracker.run_id}").status_code == 200, 10.0)
    metrics = play(env, 3)
    assert eventually(lambda: numbers(served, tracker.run_id) == [1, 2, 3], 10.0)
    running = served.client.get(f"{RUNS}/{tracker.run_id}").json()
    assert (running["status"], running["strategy_label"]) == ("running", "ppo_v1")
    env.close()
    run = served.client.get(f"{RUNS}/{tracker.run_id}").json()
    assert (run["status"], run["episodes_completed"]) == ("completed", 3)
    for episode, expected in zip(run["episodes"], metrics, strict=True):
        assert episode["metrics"]["roi_pct"] == pytest.approx(expected["roi_pct"], abs=1e-9)
        assert episode["metrics"]["reward_sum"] == pytest.approx(expected["cumulative_reward"], abs=1e-9)
    assert run["aggregate_stats"]["best_roi_pct"] == pytest.approx(max(m["roi_pct"] for m in metrics), abs=1e-4)


def test_candles_come_from_the_platform_once_a_range(
    served: Served, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = make(served, track_training=False)
    base = env.unwrapped
    assert isinstance(base, TradingEnvironment)
    (replayer,) = base.engine.replayers
    candles = replayer.candles
    sample = load_sample()
    assert candles.source == f"platform ({served.url})"
    assert np.array_equal(candles.close, sample.between(candles.start, candles.end).close)
    (kept,) = own_home.glob("platforms/*/BTCUSDT/1h/*/*.npz")
    assert kept.stem == candles.fingerprint

    def refuse(*_: Any) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(PlatformCandles, "_download", refuse)
    assert make(served, track_training=False).unwrapped.engine.replayers[0].candles is candles  # type: ignore[attr-defined]
    monkeypatch.setattr("tradeready_gym.market.sources.platform._in_use", {})
    again = make(served, track_training=False).unwrapped.engine.replayers[0].candles  # type: ignore[attr-defined]
    assert again is not candles
    assert again.fingerprint == candles.fingerprint


def test_a_damaged_copy_is_fetched_anew(served: Served, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradeready_gym.market.sources.platform._in_use", {})
    platform = PlatformCandles(served.url)
    first = platform.fetch(["BTCUSDT"], Timeframe("1h"), *WEEK)
    (kept,) = own_home.glob("platforms/*/BTCUSDT/1h/*/*.npz")
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(content)
    monkeypatch.setattr("tradeready_gym.market.sources.platform._in_use", {})
    assert platform.fetch(["BTCUSDT"], Timeframe("1h"), *WEEK) == first
    assert kept.read_bytes() != bytes(content)


def test_an_open_range_is_what_the_platform_has(served: Served) -> None:
    candles = PlatformCandles(served.url).fetch(["BTCUSDT"], Timeframe("4h"))
    assert candles == load_sample().resample("4h")


def test_candles_that_the_platform_lacks_are_named_and_never_taken_elsewhere(served: Served) -> None:
    with pytest.raises(
        DataUnavailable, match="the platform at .* has no DOGEUSDT 1h.*INVALID|no candles of 'DOGEUSDT'"
    ):
        make(served, pairs=["DOGEUSDT"])
    with pytest.raises(DataUnavailable, match="has no BTCUSDT 1h"):
        make(served, start_time="2030-01-01T00:00:00Z", end_time="2030-02-01T00:00:00Z")


def test_something_else_than_candles_is_refused(served: Served) -> None:
    with pytest.raises(DownloadError, match="no table of candles"):
        PlatformCandles(served.url)._decoded(b"<html>", "BTCUSDT", Timeframe("1h"), "f")


def test_own_data_stays_and_only_tracking_goes_to_the_platform(served: Served) -> None:
    env = make(served, data="sample", episode_length=24)
    assert env.unwrapped.engine.replayers[0].candles.source != f"platform ({served.url})"  # type: ignore[attr-defined]
    run_id = env.unwrapped.tracker.run_id  # type: ignore[attr-defined]
    play(env, 2)
    env.close()
    assert numbers(served, run_id) == [1, 2]


def test_a_vector_environment_reports_the_episodes_of_every_sub_environment(served: Served) -> None:
    env = gymnasium.make_vec(
        "TradeReady-BTC-v0", num_envs=50, api_key=served.key, base_url=served.url, episode_length=24, **SPAN
    )
    tracker = env.unwrapped.tracker  # type: ignore[attr-defined]
    env.reset(seed=1)
    for _ in range(24 * 5):
        env.step(env.action_space.sample())
    env.close()
    local = read_run(tracker.path).episodes
    assert len(local) >= 200
    assert numbers(served, tracker.run_id) == [episode["episode_number"] for episode in local]
    page = served.client.get(f"{RUNS}/{tracker.run_id}/episodes", params={"limit": 1000}).json()["episodes"]
    assert [episode["seed"] for episode in page] == [episode["seed"] for episode in local]
    assert served.client.get(f"{RUNS}/{tracker.run_id}").json()["status"] == "completed"
    # the best, the worst, and those of the first sub-environments are backtests for whoever asks
    returns = [episode["roi_pct"] for episode in local]
    for place in (returns.index(max(returns)), returns.index(min(returns)), 50):
        asked = f"/dashboard/runs/{tracker.run_id}/episodes/{place + 1}/equity"
        curve = served.client.get(asked, params={"play": "true"}).json()
        assert curve["problem"] == ""
        assert curve["roi_pct"][-1] == pytest.approx(returns[place], abs=1e-4)


def test_a_key_that_is_unknown_or_revoked_is_refused_at_construction(served: Served) -> None:
    made = served.client.post("/api/v1/keys", json={"name": "short-lived"}).json()
    make(served, api_key=made["api_key"], track_training=False)
    served.client.delete(f"/api/v1/keys/{made['key_id']}")
    for key in (made["api_key"], "ak_live_unknown"):
        with pytest.raises(PlatformRefused, match="INVALID_API_KEY"):
            make(served, api_key=key)


def test_a_stranger_cannot_see_the_run(served: Served) -> None:
    env = make(served, episode_length=24)
    run_id = env.unwrapped.tracker.run_id  # type: ignore[attr-defined]
    play(env, 1)
    env.close()
    assert served.stranger.get(f"{RUNS}/{run_id}").status_code == 404


@pytest.mark.parametrize(("reason", "kept"), [("a\0b\ud800", "ab?"), ("x" * 501, "x" * 500), (None, None), ("", None)])
def test_why_a_run_failed_is_delivered_in_500_characters(
    served: Served, tmp_path: Path, reason: str | None, kept: str | None
) -> None:
    run = TrainingTracker("failing", directory=tmp_path, api_key=served.key, base_url=served.url)
    run.report_episode(1, {"roi_pct": 1.0})
    run.complete_run("failed", reason)
    found = served.client.get(f"{RUNS}/{run.run_id}").json()
    assert (found["status"], found["reason"]) == ("failed", kept)


def test_a_server_on_the_same_machine_leaves_a_journal_to_who_delivers_it(fresh_server: Served) -> None:
    home = fresh_server.platform.settings.home
    ingest = JournalIngest(home, fresh_server.platform.database, fresh_server.platform.events)
    stranger = fresh_server.stranger.headers["X-API-Key"]
    run = TrainingTracker("sent", directory=home / "runs", api_key=stranger, base_url=fresh_server.url)
    run.report_episode(1, {"roi_pct": 1.0})
    assert ingest.poll() == 0
    run.complete_run()
    assert ingest.poll() == 0
    assert fresh_server.stranger.get(f"{RUNS}/{run.run_id}").json()["episodes_completed"] == 1
    assert fresh_server.client.get(f"{RUNS}/{run.run_id}").status_code == 404
    alone = TrainingTracker("recorded", directory=home / "runs")
    alone.report_episode(1, {"roi_pct": 1.0})
    alone.complete_run()
    assert ingest.poll() == 1


def test_a_server_that_is_started_anew_gets_what_was_kept_meanwhile(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    home, log = tmp_path / "server", tmp_path / "log"
    command = [sys.executable, "-m", "tradeready_gym.cli", "serve", "--home", str(home), "--port", str(port)]
    url, directory = f"http://127.0.0.1:{port}", tmp_path / "runs"
    with serving(home, ingest_journals=False) as first:
        key = first.key
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        run = TrainingTracker("killed server", directory=directory, api_key=key, base_url=url)
        for number in range(1, 3_001):
            run.report_episode(number, {"roi_pct": float(number)})
            if number % 300 == 0:
                run.flush()
            if number == 1_000:
                assert eventually(lambda: _answers(run, 1), 20.0)
                process.kill()
                process.wait()
            if number == 2_000:
                with log.open("ab") as output:
                    process = subprocess.Popen(command, stdout=output, stderr=output)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrackingWarning)  # a server may need longer to start than a close waits
            run.complete_run()
        assert eventually(lambda: not run._outbox.waiting, 20.0)  # type: ignore[union-attr]
    finally:
        process.kill()
        process.wait()
    with serving(home, ingest_journals=False) as last:
        client = last.client
        client.headers["X-API-Key"] = key
        assert numbers(last, run.run_id) == list(range(1, 3_001))
        assert client.get(f"{RUNS}/{run.run_id}").json()["status"] == "completed"
    assert list_runs(directory)[0].episodes_completed == 3_000


def _answers(run: TrainingTracker, episodes: int) -> bool:
    return run._outbox is not None and run._outbox.episodes_sent >= episodes


def test_what_a_strategy_learns_on_is_reported_where_its_environment_reports(served: Served) -> None:
    from tradeready_gym.strategies import StableBaselinesTradingStrategy

    label = "learnt elsewhere"
    env = make(served, strategy_label="of the environment", episode_length=24, lookback_window=2)
    sizes = {"n_steps": 32, "batch_size": 64}
    strategy = StableBaselinesTradingStrategy(env, model_kwargs=sizes, num_envs=8, strategy_label=label)
    strategy.train(512)
    runs = served.client.get(RUNS, params={"strategy_label": label}).json()
    assert [run["status"] for run in runs] == ["completed"]
    # 8 accounts, 64 steps each, episodes of 24
    assert runs[0]["episodes_completed"] == 16
