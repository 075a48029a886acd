"""What a server keeps in memory has an end. `tests/platform/soak_sessions.py` watches 100,000 sessions."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import soak_sessions

from tradeready_gym.market import Timeframe
from tradeready_gym.platform import Settings
from tradeready_gym.platform.accounts import ensure_owner
from tradeready_gym.platform.app import create_app
from tradeready_gym.platform.sessions.markets import Markets

HOUR = soak_sessions.HOUR
RANGE_BYTES = 100_000


def ranges(markets: Markets, count: int) -> list[int]:
    """Ask for so many ranges; how many bytes are kept after each."""
    kept = []
    for number in range(count):
        start = soak_sessions.FIRST + number * HOUR
        markets.replayer(("BTCUSDT",), Timeframe("1h"), start, start + 6 * HOUR)
        kept.append(sum(replayer.rows.nbytes for replayer in markets._cache.values()))
    return kept


def test_candles_of_ranges_that_nobody_asks_for_again_are_given_up(tmp_path: Path) -> None:
    kept = ranges(Markets(tmp_path, cached_bytes=4 * RANGE_BYTES), 30)
    assert RANGE_BYTES < max(kept) <= 4 * RANGE_BYTES
    # and a range larger than everything is kept as long as it is the latest
    alone = Markets(tmp_path, cached_bytes=1)
    assert 0 < max(ranges(alone, 3)) < RANGE_BYTES and len(alone._cache) == 1


def test_the_same_range_is_read_once(tmp_path: Path) -> None:
    markets = Markets(tmp_path)
    one, other = (
        markets.replayer(("BTCUSDT",), Timeframe("1h"), soak_sessions.FIRST, soak_sessions.FIRST + HOUR)
        for _ in range(2)
    )
    assert one is other


def lived(app: Any, key: str, sessions: int) -> list[tuple[int, float]]:
    """What the soak finds, in a thread of its own: a browser's tests leave a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, soak_sessions.soak(app, key, sessions)).result()


def test_sessions_that_ended_are_forgotten_and_leave_no_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = create_app(Settings(home=tmp_path, ingest_journals=False))
    platform = app.state.platform
    key = ensure_owner(platform.database) or ""
    found = lived(app, key, 100)
    assert [number for number, _ in found] == list(range(10, 101, 10))
    assert platform.sessions.awake <= platform.settings.limits.open_sessions
    assert soak_sessions.left(platform) == 0
    platform.close()
    assert capsys.readouterr().out.count("sessions") == 10


def test_a_server_that_forgets_nothing_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(Settings(home=tmp_path, ingest_journals=False))
    platform = app.state.platform
    key = ensure_owner(platform.database) or ""
    monkeypatch.setattr(soak_sessions, "forget", lambda *_: 0)
    lived(app, key, 10)
    assert soak_sessions.left(platform) > 10
    platform.close()
