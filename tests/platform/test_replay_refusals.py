"""Episodes whose kept bytes or configuration a client made up: they are refused by name, never a failure."""

import io
import json
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from backtest_calls import stored, wild
from serving import Served, serving
from sqlalchemy import select, update
from test_episode_replay import owner, trained

from tradeready_gym.market import parse_time
from tradeready_gym.platform.database.tables import backtests, episode_actions, training_episodes, training_runs
from tradeready_gym.platform.errors import BadRequest, Conflict
from tradeready_gym.platform.sessions.replay import replay_episode
from tradeready_gym.tracking import Kept

START = parse_time("2024-01-05T00:00:00Z")
GOOD = json.dumps({"start_time": START, "episode": 1}).encode()


def file_of(actions: Any) -> bytes:
    written = io.BytesIO()
    np.save(written, np.asarray(actions))
    return written.getvalue()


def claiming(shape: tuple[int, ...], kind: str = "|i1") -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": kind, "fortran_order": False, "shape": shape})
    return header.getvalue()


TEN = file_of(np.zeros(10, np.int8))
MADE_UP = {
    "a list": (b"[]", TEN),
    "an empty object": (b"{}", TEN),
    "a deep list": (b"[" * 100_000, TEN),
    "no json": (b"\xff", TEN),
    "a start in the far future": (b'{"start_time": %d, "episode": 1}' % 10**30, TEN),
    "a start of text": (b'{"start_time": "0", "episode": 1}', TEN),
    "a start before all": (b'{"start_time": -1, "episode": 1}', TEN),
    "an endless episode number": (b'{"start_time": 0, "episode": %d}' % 10**30, TEN),
    "no axis": (GOOD, file_of(1)),
    "no actions": (GOOD, file_of(np.zeros(0))),
    "empty actions": (GOOD, claiming((10**13, 0))),
    "more than there is": (GOOD, claiming((10**13,))),
    "more than a number holds": (GOOD, claiming((2**62, 2**62))),
    "less than there is": (GOOD, TEN + b"\0"),
    "text": (GOOD, file_of(["a"] * 10)),
    "records": (GOOD, file_of(np.zeros(10, [("a", "i1")]))),
    "no array": (GOOD, b"\x93NUMPY"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str, dict[str, Any]]]:
    """A server with candles, a run whose episode can be played, and what the run says it was made of."""
    with serving(tmp_path_factory.mktemp("replay"), ingest_journals=False) as server:
        stored(server.platform, wild())
        run_id, _ = trained(server, wild())
        with server.platform.database.read() as connection:
            config = json.loads(str(connection.scalar(select(training_runs.c.config))))
        yield server, run_id, config


def refusal(server: Served, run_id: str, config: dict[str, Any], packed: bytes, seed: int = 7) -> str:
    """Why this episode is not played."""
    with server.platform.database.write() as connection:
        connection.execute(update(training_runs).values(config=json.dumps(config)))
        connection.execute(update(episode_actions).values(actions=packed))
        connection.execute(update(training_episodes).values(seed=seed))
        assert connection.execute(select(backtests)).first() is None
    with pytest.raises(Conflict) as refused:
        replay_episode(server.platform, owner(server), run_id, 1)
    assert refused.value.code == "EPISODE_NOT_REPRODUCED"
    return str(refused.value)


@pytest.mark.parametrize("name", MADE_UP)
def test_bytes_that_no_recorder_wrote_are_refused(name: str, told: tuple[Served, str, dict[str, Any]]) -> None:
    head, body = MADE_UP[name]
    packed = zlib.compress(head + b"\n" + body)
    with pytest.raises(ValueError, match="actions must"):
        Kept.unpack(packed)
    assert "actions must" in refusal(*told, packed)


@pytest.mark.parametrize(
    "change",
    [
        {"steps_per_action": 10**30},
        {"steps_per_action": 10**9},
        {"steps_per_action": 0},
        {"steps_per_action": float("inf")},
        {"steps_per_action": [1]},
        {"action_scheme": f"HoldBuySell({'-' * 30_000}1)"},
        {"action_scheme": f"HoldBuySell({'[' * 150}{']' * 150})"},
        {"action_scheme": "HoldBuySell(\0)"},
        {"action_scheme": ["HoldBuySell()"]},
        {"slippage": f"FixedSlippage({10**400})"},
        {"symbols": ["../../etc"]},
        {"symbols": ["BTCUSDT", "BTCUSDT"]},
        {"symbols": ["BTCUSDT", "btcusdt"]},
        {"symbols": []},
        {"symbols": 5},
        {"timeframe": ["1h"]},
        {"starting_balance": 10**400},
        {"starting_balance": 1e308},
        {"fee_rate": 10**400},
        {"account": ["spot"]},
    ],
    ids=lambda change: str(change)[:40],
)
def test_a_configuration_that_nothing_can_be_made_of_is_refused(
    change: dict[str, Any], told: tuple[Served, str, dict[str, Any]]
) -> None:
    server, run_id, config = told
    packed = Kept(np.zeros(10, np.int8), START).pack()
    assert "cannot be played again" in refusal(server, run_id, config | change, packed)


@pytest.mark.parametrize("actions", [np.full(10, np.nan), np.full(10, np.inf), np.full(10, 100), np.zeros((10, 3))])
def test_actions_that_the_scheme_does_not_have_are_refused(
    actions: Any, told: tuple[Served, str, dict[str, Any]]
) -> None:
    refusal(*told, zlib.compress(GOOD + b"\n" + file_of(actions)))


def test_a_negative_seed_is_refused(told: tuple[Served, str, dict[str, Any]]) -> None:
    refusal(*told, Kept(np.zeros(10, np.int8), START).pack(), seed=-5)


def test_a_start_between_two_candles_is_refused(told: tuple[Served, str, dict[str, Any]]) -> None:
    assert "grid" in refusal(*told, Kept(np.zeros(10, np.int8), START + 1).pack())


def test_a_symbol_that_the_server_does_not_have_is_missing_data(told: tuple[Served, str, dict[str, Any]]) -> None:
    server, run_id, config = told
    with server.platform.database.write() as connection:
        made = json.dumps(config | {"symbols": ["NOSUCHUSDT"]})
        connection.execute(update(training_runs).values(config=made))
        packed = Kept(np.zeros(10, np.int8), START).pack()
        connection.execute(update(episode_actions).values(actions=packed))
        connection.execute(update(training_episodes).values(seed=7))
    with pytest.raises(BadRequest) as refused:
        replay_episode(server.platform, owner(server), run_id, 1)
    assert refused.value.code == "BACKTEST_NO_DATA"
