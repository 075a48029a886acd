"""Episodes of training that were kept as seed and actions, as backtests."""

import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from backtest_calls import API, DAY, look, stored, wild
from serving import Served, serving
from sqlalchemy import select, update

from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.envs.composition import describe
from tradeready_gym.market import Candles, CandleStore
from tradeready_gym.platform.database.tables import accounts, training_episodes, training_runs
from tradeready_gym.platform.errors import BadRequest, Conflict, NotFound
from tradeready_gym.platform.sessions.replay import keep_actions, replay_episode
from tradeready_gym.tracking import Kept

RUNS = "/api/v1/training/runs"


def trained(server: Served, candles: Candles, **parts: Any) -> tuple[str, dict[str, Any]]:
    """A run whose one episode was played here, reported and kept; the run and the episode's metrics."""
    arguments: dict[str, Any] = {"action_scheme": "hold_buy_sell", "lookback_window": 3, **parts}
    env = TradingEnvironment(data=candles, feature_pipeline=("ohlcv",), episode_length=100, **arguments)
    env.reset(seed=7)
    env.action_space.seed(7)
    start = int(env.engine.times[int(env.engine.state.accounts[0].row)])
    actions: list[Any] = []
    info: dict[str, Any] = {}
    done = False
    while not done:
        actions.append(env.action_space.sample())
        _, _, terminated, truncated, info = env.step(actions[-1])
        done = terminated or truncated
    run_id, metrics = str(uuid.uuid4()), dict(info["episode_metrics"])
    config = {**describe(env.engine.spec), "strategy_label": "ppo"}
    assert server.client.post(RUNS, json={"run_id": run_id, "config": config}).status_code == 201
    report = {name: metrics[name] for name in ("roi_pct", "sharpe_ratio", "max_drawdown_pct", "total_trades")}
    body = {"columns": {name: [value] for name, value in {**report, "episode_number": 1, "seed": 7}.items()}}
    assert server.client.post(f"{RUNS}/{run_id}/episodes/batch", json=body).status_code == 200
    with server.platform.database.write() as connection:
        keep_actions(connection, run_id, 1, Kept(np.array(actions), start))
    return run_id, metrics


def owner(server: Served) -> str:
    with server.platform.database.read() as connection:
        return str(connection.scalar(select(accounts.c.id).order_by(accounts.c.created_at).limit(1)))


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"action_scheme": "continuous", "fee_rate": 0.0004},
        {"action_scheme": "target_position", "slippage": "uniform"},
        {"fee_rate": {"rate": 0.0004, "per_trade": 1.0, "minimum": 2.0}, "max_volume_share": 0.01},
    ],
)
def test_an_episode_is_the_same_backtest_to_the_last_digit(fresh_server: Served, parts: dict[str, Any]) -> None:
    candles = wild()
    stored(fresh_server.platform, candles)
    run_id, metrics = trained(fresh_server, candles, **parts)

    session = replay_episode(fresh_server.platform, owner(fresh_server), run_id, 1)

    status = look(fresh_server.client, session, "status")
    assert (status["status"], status["run_id"], status["episode_number"]) == ("completed", run_id, 1)
    assert (status["strategy_label"], status["total_steps"]) == ("ppo", 100)
    assert status["exact"]["final_equity"] == metrics["final_equity"]
    results = look(fresh_server.client, session, "results")
    for name in ("roi_pct", "sharpe_ratio", "max_drawdown_pct"):
        assert results["exact"][name] == metrics[name]
        assert float(results[name]) == round(metrics[name], 8)
    assert results["total_trades"] == metrics["total_trades"] > 10
    assert look(fresh_server.client, session, "results/trades")["total"] == metrics["total_trades"]
    assert len(look(fresh_server.client, session, "results/equity-curve")["snapshots"]) == 101
    # it has no sandbox, and is played once
    assert fresh_server.client.get(f"{API}/{session}/account/portfolio").status_code == 409
    assert replay_episode(fresh_server.platform, owner(fresh_server), run_id, 1) == session


def test_an_episode_on_other_candles_is_not_shown(fresh_server: Served) -> None:
    candles = wild()
    stored(fresh_server.platform, candles)
    run_id, _ = trained(fresh_server, candles)
    CandleStore(fresh_server.platform.settings.home / "candles").write(wild(seed=4))
    with pytest.raises(Conflict, match="the candles are other ones"):
        replay_episode(fresh_server.platform, owner(fresh_server), run_id, 1)


def test_nothing_but_known_parts_is_built(fresh_server: Served) -> None:
    candles = wild()
    stored(fresh_server.platform, candles)
    run_id, _ = trained(fresh_server, candles)
    for evil in ("__import__('os').getcwd()", "HoldBuySell(position_size=open('x'))", "exit()", "("):
        with fresh_server.platform.database.write() as connection:
            config = (
                f'{{"symbols": ["BTCUSDT"], "timeframe": "1h", "action_scheme": "{evil}", "slippage": "NoSlippage()"}}'
            )
            connection.execute(update(training_runs).where(training_runs.c.id == run_id).values(config=config))
        with pytest.raises(Conflict, match="does not say what it was made of"):
            replay_episode(fresh_server.platform, owner(fresh_server), run_id, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"starting_balance": "much"},
        {"symbols": [1]},
        {"fees": "x"},
        {"fees": {"rate": []}},
        {"fees": 7},
        {"max_volume_share": "x"},
        {"max_loss": {}},
        {"steps_per_action": -1},
        {"timeframe": "2h"},
    ],
)
def test_a_run_that_says_nonsense_of_itself_is_refused(fresh_server: Served, change: dict[str, Any]) -> None:
    candles = wild()
    stored(fresh_server.platform, candles)
    run_id, _ = trained(fresh_server, candles)
    with fresh_server.platform.database.write() as connection:
        config = json.loads(str(connection.scalar(select(training_runs.c.config))))
        values = {"config": json.dumps({**config, **change})}
        connection.execute(update(training_runs).where(training_runs.c.id == run_id).values(**values))
    with pytest.raises((Conflict, BadRequest)):
        replay_episode(fresh_server.platform, owner(fresh_server), run_id, 1)


def test_a_stranger_and_an_episode_that_was_not_kept_are_not_found(fresh_server: Served) -> None:
    candles = wild()
    stored(fresh_server.platform, candles)
    run_id, _ = trained(fresh_server, candles)
    with pytest.raises(NotFound):
        replay_episode(fresh_server.platform, "somebody", run_id, 1)
    with fresh_server.platform.database.write() as connection:
        connection.execute(update(training_episodes).values(episode_number=2))
    with pytest.raises(NotFound) as refused:
        replay_episode(fresh_server.platform, owner(fresh_server), run_id, 2)
    assert refused.value.code == "EPISODE_NOT_KEPT"


def test_actions_are_packed_and_bombs_are_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(np.random.default_rng(0).uniform(-1, 1, (50, 2)), DAY, 3)
    found = Kept.unpack(kept.pack())
    assert np.array_equal(found.actions, kept.actions) and (found.start_time, found.episode) == (DAY, 3)
    monkeypatch.setattr("tradeready_gym.tracking.kept._LARGEST_BYTES", 100)
    for packed in (kept.pack(), b"nothing", b""):
        with pytest.raises(ValueError, match="actions must"):
            Kept.unpack(packed)


@pytest.mark.parametrize(
    "arguments",
    [
        {"id": "TradeReady-BTC-v0", "episode_length": 60},
        {"id": "TradeReady-BTC-Continuous-v0", "episode_length": 48, "slippage": "uniform"},
        {"id": "TradeReady-BTC-v0", "action_scheme": "managed_risk", "episode_length": 50},
    ],
    ids=lambda arguments: f"{arguments['id']} {arguments.get('action_scheme', '')}",
)
def test_what_a_journal_says_of_an_environment_can_be_looked_at(
    arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = Path(os.environ["TRADEREADY_HOME"]) / "compiled"
    (tmp_path / "compiled").symlink_to(compiled.resolve(), target_is_directory=True)
    monkeypatch.setenv("TRADEREADY_HOME", str(tmp_path))
    env = gym.make(**{"data": "sample", "timeframe": "1h", "strategy_label": "watched", **arguments})
    finals = []
    for episode in range(3):
        _, info = env.reset(seed=5 if episode == 0 else None)
        env.action_space.seed(episode)
        done = False
        while not done:
            _, _, terminated, truncated, info = env.step(env.action_space.sample())
            done = terminated or truncated
        finals.append(info["episode_metrics"]["final_equity"])
    env.close()
    with serving(tmp_path) as server:
        deadline = time.monotonic() + 20.0
        while not (runs := server.client.get(RUNS).json()) or runs[0]["status"] != "completed":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for number, final in enumerate(finals, 1):
            page = server.client.get(f"/training/{runs[0]['run_id']}/episodes/{number}")
            assert page.status_code in (302, 303, 307)
            session = page.headers["location"].rsplit("/", 1)[-1]
            assert look(server.client, session, "status")["exact"]["final_equity"] == final
            assert server.client.get(page.headers["location"]).status_code == 200


def test_an_episode_stepped_over_rest_is_known_as_training(served: Served) -> None:
    stored(served.platform, wild())
    span = {"start_time": "2024-01-05T00:00:00Z", "end_time": "2024-01-05T05:00:00Z"}
    made = served.client.post(f"{API}/create", json={**span, "starting_balance": "1000", "candle_interval": 3600})
    session, run_id = made.json()["session_id"], str(uuid.uuid4())
    served.client.post(RUNS, json={"run_id": run_id})
    served.client.post(f"{RUNS}/{run_id}/episodes", json={"episode_number": 4, "session_id": session})
    status = look(served.client, session, "status")
    assert (status["run_id"], status["episode_number"]) == (run_id, 4)
    # a stranger's episode does not claim it
    theirs = str(uuid.uuid4())
    served.stranger.post(RUNS, json={"run_id": theirs})
    served.stranger.post(f"{RUNS}/{theirs}/episodes", json={"episode_number": 1, "session_id": session})
    assert look(served.client, session, "status")["run_id"] == run_id
