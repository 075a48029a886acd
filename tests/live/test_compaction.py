"""A paper account's journal is replaced by the account as it is: nothing changes by it, wherever the machine stops."""

import dataclasses
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dying import died
from test_paper import FREE, SYMBOLS, orders_at
from test_parity import START, market

from tradeready_gym.errors import StoreError
from tradeready_gym.live import ReplayFeed, SessionJournal, ledger, snapshot
from tradeready_gym.live.paper import PaperAccount
from tradeready_gym.live.risk import RiskLimits
from tradeready_gym.orders import Order
from tradeready_gym.tracking import journal as records

CANDLES = market(SYMBOLS)
LAST = 130
PLACES = ("half a draft", "the draft is whole", "just before it takes the place", "just after it took the place")


def account(path: Path | None, compact_bytes: int = 1, **arguments: Any) -> PaperAccount:
    """An account that is compacted at every candle, as far as it has a journal."""
    composition: dict[str, Any] = {"limits": FREE, "patience": 0.0, "capacity": 7} | arguments
    died(path)
    return PaperAccount(ReplayFeed(CANDLES, START), journal=path, compact_bytes=compact_bytes, **composition)


@pytest.fixture(autouse=True)
def small_heap() -> Iterator[None]:
    """A compaction collects garbage: not that of every test before this one."""
    gc.freeze()
    yield
    gc.unfreeze()


def play(paper: PaperAccount, last: int) -> None:
    """Trade up to the candle of this number; an order whose fate is not known is sent again under the same id."""
    first = CANDLES.start + CANDLES.row_of(START) * 3_600_000_000
    while (k := (paper.ledger.clock - first) // 3_600_000_000) < last:
        for n, order in enumerate(orders_at(CANDLES, k)):
            paper.submit(order, f"{k}-{n}")
        if k % 17 == 9:
            for record in list(paper.ledger.records.resting.values())[:1]:
                paper.cancel(record.order_id)
        if k == 40:
            paper.set_limits(dataclasses.replace(FREE, max_open_orders=30))
        if k == 100:
            paper.reset(5_000.0)
        assert paper.advance()


def books(paper: PaperAccount) -> dict[str, Any]:
    """Everything that an account shows."""
    mine = paper.ledger
    return {
        "equity": mine.exchange.net_worth, "cash": mine.exchange.balance, "held": mine.exchange.portfolio,
        "book": mine.exchange.open_orders, "record": mine.records.to_plain(), "sessions": mine.sessions,
        "limits": mine.limits, "killed": mine.killed_at, "opened": mine.opened_at, "since": mine.started_at,
        "minute": (mine.minute, mine.accepted), "fees": float(mine.account.fees_paid), "drawdown": float(mine.account.max_drawdown),
    }  # fmt: skip


@pytest.mark.parametrize("slippage", ["volume_share", "square_root", "uniform"])
def test_an_account_that_is_compacted_at_every_candle_trades_as_one_that_never_is(
    slippage: str, tmp_path: Path
) -> None:
    path = tmp_path / "paper.journal"
    compacted, plain = account(path, slippage=slippage), account(None, slippage=slippage)
    for k in range(1, LAST + 1):
        play(compacted, k)
        play(plain, k)
        assert books(compacted) == books(plain)
    assert len(compacted.ledger.records.fills) > 10  # since it was reset
    kinds = [record["message"] for record in records.read(path).records]
    assert kinds == ["begin", "open", "snapshot"]
    # and one that is opened again, with more room
    assert books(account(path, capacity=500)) == books(plain)


def test_the_journal_and_the_market_stay_small(tmp_path: Path) -> None:
    path = tmp_path / "paper.journal"
    paper = account(path, compact_bytes=20_000)
    largest = 0
    for k in range(1, LAST + 1, 5):
        play(paper, k)
        largest = max(largest, path.stat().st_size)
    # the newest three days of candles, the orders, and 20 kB of what came after
    assert largest < 20_000 + 1_000 + len((path.parent / path.name).read_bytes())
    assert len(paper.ledger.exchange.live_market) < 3 * 24 + 24 + 100


def test_a_minute_that_is_full_of_orders_stays_full(tmp_path: Path) -> None:
    limits = dataclasses.replace(FREE, orders_per_minute=1)
    paper = account(tmp_path / "a.journal", limits=limits)
    assert paper.advance()
    assert paper.submit(Order("BTCUSDT", "buy", 1.0, "limit", price=1.0)).status == "pending"
    assert paper.compact()
    assert paper.submit(Order("BTCUSDT", "buy", 1.0, "limit", price=1.0)).reason == "rate_limit_exceeded"


def test_a_kill_is_kept(tmp_path: Path) -> None:
    limits = RiskLimits(max_position_size_pct=100.0, max_order_size_pct=100.0, daily_loss_limit_pct=0.01)
    one, other = account(tmp_path / "a.journal", limits=limits), account(None, limits=limits)
    for paper in (one, other):
        play(paper, 60)
    assert one.ledger.killed_at is not None
    assert books(one) == books(other)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("deadly", [1, 12])
def test_killed_anywhere_in_a_compaction_it_goes_on_as_if_nothing_had_happened(
    place: str, deadly: int, tmp_path: Path
) -> None:
    path = tmp_path / "paper.journal"
    child = os.fork()
    if child == 0:
        try:
            _arm(place, deadly)
            play(account(path), deadly + 5)
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    again = account(path)
    play(again, deadly + 5)
    undisturbed = account(None)
    play(undisturbed, deadly + 5)
    assert books(again) == books(undisturbed)
    again.close()
    assert sorted(tmp_path.iterdir()) == [path]


def _arm(place: str, deadly: int) -> None:
    """Let this process die at this place of its `deadly`-th compaction."""
    append, replace, count = records.append, os.replace, [0]

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def appending(path: Path, data: bytes, *, sync: bool = False) -> None:
        drafted = path.name.endswith(".compacted")
        count[0] += drafted
        last = drafted and count[0] == deadly
        append(path, data[: len(data) // 2] if last and place == PLACES[0] else data, sync=sync)
        if last and place in PLACES[:2]:
            die()

    def replacing(source: Any, target: Any) -> None:
        if count[0] == deadly and place == PLACES[2]:
            die()
        replace(source, target)
        if count[0] == deadly and place == PLACES[3]:
            die()

    setattr(records, "append", appending)  # noqa: B010 - a process that dies has nothing to put back
    setattr(os, "replace", replacing)  # noqa: B010


def test_a_power_cut_leaves_the_old_journal_or_the_new_one_and_both_are_the_account(tmp_path: Path) -> None:
    path = tmp_path / "paper.journal"
    paper = account(path, compact_bytes=10**9)
    play(paper, 60)
    before = path.read_bytes()
    assert paper.compact()
    after = path.read_bytes()
    assert len(after) < len(before)
    play(paper, 75)
    expected = books(paper)
    tail = path.read_bytes()[len(after) :]
    # the new name was not on the disk yet: what follows it was neither
    for kept in (before, after, after + tail[: len(tail) // 2], after + tail):
        path.write_bytes(kept)
        again = account(path, compact_bytes=10**9)
        play(again, 75)
        assert books(again) == expected
    # a snapshot that is cut is none, and is never taken for one
    path.write_bytes(after[:-10])
    with pytest.raises((StoreError, AssertionError)):
        assert books(account(path, compact_bytes=10**9)) == expected


def test_a_full_disk_leaves_the_journal_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "paper.journal"
    paper = account(path, compact_bytes=10**9)
    play(paper, 20)
    before, genuine = path.read_bytes(), records.append

    def full(target: Path, data: bytes, *, sync: bool = False) -> None:
        if target != path:
            raise OSError(28, "No space left on device")
        genuine(target, data, sync=sync)

    monkeypatch.setattr(records, "append", full)
    with pytest.raises(OSError, match="No space"):
        paper.compact()
    assert path.read_bytes() == before
    play(paper, 30)
    monkeypatch.undo()
    undisturbed = account(None)
    play(undisturbed, 30)
    assert books(account(path, compact_bytes=10**9)) == books(undisturbed)


def test_a_snapshot_that_would_be_another_account_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "paper.journal"
    paper = account(path, compact_bytes=10**9)
    play(paper, 20)
    before, genuine = path.read_bytes(), snapshot.restore_state

    def planted(state: Any, plain: Any) -> None:
        genuine(state, plain)
        state.accounts["cash"] *= 1.0 + 1e-15 * 4

    monkeypatch.setattr(ledger, "restore_state", planted)
    assert paper.compact() is False
    assert path.read_bytes() == before


def test_a_snapshot_of_another_version_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "paper.journal"
    play(account(path), 5)
    contents = records.read(path).records
    fields = contents[2]["state"]["accounts"]["fields"]
    fields[0][0] = "rank"
    died(path)
    journal = SessionJournal(path)
    journal.draft(contents).take_place_of(journal)
    with pytest.raises(StoreError, match=r"rank.*go on with the version that wrote it"):
        account(path)
