"""Keys are in no log line, representation, traceback, journal or database, whatever happens and however much is logged."""

import io
import json
import logging
import os
import traceback
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gymnasium
import pytest
from serving import Served, another_key, client_of, serving
from test_deployment import _home, run
from test_parity import START, market
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tradeready_gym.cli import main
from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.live import Deployment, ReplayFeed
from tradeready_gym.platform.app import PREFIX
from tradeready_gym.platform.masking import MaskKeys, masked
from tradeready_gym.tracking import TrackingWarning, TrainingTracker

__all__ = ["_home", "run"]
NOISY = ("uvicorn", "uvicorn.error", "uvicorn.access", "websockets", "httpx2", "sqlalchemy", "asyncio")
_SILENT = logging.Logger("silent", logging.CRITICAL)
METRICS = {"roi_pct": 1.0, "sharpe_ratio": None, "max_drawdown_pct": 0.0, "total_trades": 1, "cumulative_reward": 0.5}


class Log:
    """Every line of every logger, with its traceback."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        self.handler = logging.StreamHandler(self.text)
        self.levels = {name: logging.getLogger(name).level for name in (None, *NOISY)}

    def listen(self) -> None:
        """Listen to all of them; again after a server has begun, which keeps its loggers to itself."""
        for name in (None, *NOISY):
            logger = logging.getLogger(name)
            logger.setLevel(logging.DEBUG)
            if name is None or not logger.propagate:
                logger.addHandler(self.handler)

    def close(self) -> None:
        for name, level in self.levels.items():
            logging.getLogger(name).removeHandler(self.handler)
            logging.getLogger(name).setLevel(level)


@contextmanager
def everything_logged() -> Iterator[Log]:
    """Listen until the block ends."""
    log = Log()
    log.listen()
    try:
        yield log
    finally:
        log.close()


def leaks(secrets: list[str], folder: Path, texts: dict[str, str]) -> list[str]:
    """Where one of the secrets is: files below a folder, and texts by name."""
    found = [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets)
    ]
    return found + [name for name, text in texts.items() if any(secret in text for secret in secrets)]


def trade(served: Served, key: str, secret: str) -> str:
    """What clients do, rightly and wrongly; what they are told."""
    told = []
    with client_of(served.url, key) as client:
        for path in ("/keys", "/account/info", "/deployments", f"/training/runs/{uuid.uuid4()}"):
            told.append(client.get(f"{PREFIX}{path}").text)
        told.append(client.post(f"{PREFIX}/auth/login", json={"api_key": key, "api_secret": "wrong"}).text)
        told.append(client.post(f"{PREFIX}/auth/login", json={"api_key": [key], "api_secret": secret}).text)
        told.append(client.post(f"{PREFIX}/keys", json={"name": "k", "scopes": [key]}).text)
        told.append(client.get("/settings").text)
    with client_of(served.url, None) as client:
        client.post("/login", data={"key": key})
        client.post("/login", data={"key": key + "x"})
    for shown in (key, key + "x"):
        try:
            # what a client logs of its own requests is its own affair
            address = f"{served.url.replace('http', 'ws')}/ws/v1?api_key={shown}"
            with connect(address, logger=_SILENT) as socket:
                socket.send(json.dumps({"action": "subscribe", "channel": "ticker_all"}))
                socket.recv(timeout=5.0)
        except (ConnectionClosed, TimeoutError):
            continue
    return "".join(told)


def train(served: Served, key: str, home: Path) -> dict[str, str]:
    """A tracker that delivers, one that cannot, and environments that have the key; what they print as."""
    texts: dict[str, str] = {}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", TrackingWarning)
        for name, url, used in (("good", served.url, key), ("refused", served.url, key + "x")):
            tracker = TrainingTracker(name, directory=home / "runs", api_key=used, base_url=url)
            tracker.report_episode(1, METRICS)
            tracker.complete_run()
            texts[f"repr of the {name} tracker"] = repr(tracker) + repr(tracker._courier)
        environment = gymnasium.make("TradeReady-BTC-v0", data="sample", api_key=key, base_url=served.url)
        environment.reset(seed=1)
        texts["repr of an environment"] = f"{environment!r} {environment.unwrapped!r} {environment.spec!r}"
        environment.close()
    texts["warnings"] = "".join(str(warning.message) for warning in said)
    return texts


def live(served: Served, key: str, home: Path) -> dict[str, str]:
    """A live environment that reports to a platform, and dies."""
    env = LiveTradingEnv(ReplayFeed(market(), START), journal=home / "live.journal", api_key=key, base_url=served.url)
    env.reset(seed=1)
    env.step(1)
    texts = {"repr of the live environment": repr(env), "its attributes": repr(vars(env))}
    for name, wrong in (
        ("step", lambda: env.step("nonsense")),
        (
            "platform",
            lambda: gymnasium.make("TradeReady-BTC-v0", data="sample", api_key=key, base_url="http://127.0.0.1:9"),
        ),
    ):
        try:
            wrong()
        except Exception as error:
            texts[f"traceback of the {name}"] = "".join(traceback.format_exception(error))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrackingWarning)
        env.close()
    return texts


def deploy(run: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent at work in an environment that has a key."""
    monkeypatch.setenv("TRADEREADY_API_KEY", key)
    arguments = ["--feed", "replay", "--start", "2022-10-01T00:00:00Z", "--name", "kept", "--steps", "5"]
    assert main(["deploy", str(run), *arguments]) == 0
    Deployment.load("kept")


def test_no_key_is_written_or_told_anywhere(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home = Path(os.environ["TRADEREADY_HOME"])
    with everything_logged() as log:
        with serving(home, ingest_journals=True) as served:
            log.listen()
            key = another_key(served.platform)
            texts = {"answers": trade(served, key, "sk_live_planted-and-never-kept-anywhere")}
            texts |= train(served, key, home) | live(served, key, home)
            deploy(run, key, monkeypatch)
            settings = (served.platform, served.platform.settings, served.app.state, served.client)
            texts["repr of the server"] = repr(settings)
        texts["log"] = log.text.getvalue()
    texts["output"] = "".join(capfd.readouterr())
    assert len(texts["log"].splitlines()) > 100
    assert "WebSocket /ws/v1?api_key=" in texts["log"]
    # everything that should be there is
    assert {path.suffix for path in home.rglob("*") if path.is_file()} >= {".db", ".journal", ".json", ".jsonl"}
    secrets = [key, key[12:], "planted-and-never-kept-anywhere"]
    (home / "compiled").unlink()
    texts["answers"] = texts["answers"].replace(
        f'"{key}"', "its own words"
    )  # what a client said, and is told was wrong
    assert leaks(secrets, home, texts) == []

    # planted: each of these is found
    (home / "runs" / "planted.journal").write_text(f"x{key}x")
    planted = leaks(secrets, home, texts | {"log": texts["log"] + key[12:]})
    assert planted == ["runs/planted.journal", "log"]


def test_a_server_that_did_not_mask_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MaskKeys, "filter", lambda self, record: True)
    with everything_logged() as log, serving(tmp_path / "home", ingest_journals=False) as served:
        log.listen()
        key = another_key(served.platform)
        trade(served, key, "sk")
    assert leaks([key], tmp_path / "home", {"log": log.text.getvalue()}) == ["log"]


def test_keys_and_tokens_are_masked_and_nothing_else_is() -> None:
    assert masked("GET /ws/v1?api_key=ak_live_abcdefghijklmnop HTTP") == "GET /ws/v1?api_key=ak_live_abcd... HTTP"
    assert masked("tk_0123456789abcdef sk_live_0123456789-_") == "tk_0123... sk_live_0123..."
    assert masked("task_0123456789abcdef, ak_live_, tk_short") == "task_0123456789abcdef, ak_live_, tk_short"
    record = logging.LogRecord("a", 20, "f", 1, '%s - "%s"', ("client", "ak_live_abcdefghijklmnop"), None)
    assert MaskKeys().filter(record)
    assert record.args == ("client", "ak_live_abcd...")
    try:
        raise ValueError("ak_live_abcdefghijklmnop")
    except ValueError as error:
        failed = logging.LogRecord("a", 40, "f", 1, "no", (), (ValueError, error, error.__traceback__))
    MaskKeys().filter(failed)
    assert "abcdefgh" not in logging.Formatter().format(failed)
