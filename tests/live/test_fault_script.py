"""The fault script in small, and the proof that it would notice: each planted defect has to show."""

import logging
import subprocess
import sys
import time as wall
from collections import Counter
from pathlib import Path

import fault_script
import kill_script
import pytest
import soak
from fault_script import DESCRIBED, Outcome, Plan, plan_of, play

from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.live import BinanceFeed, Slot, journal
from tradeready_gym.live.binance_rest import BinanceRest
from tradeready_gym.live.orders import OrderRecords
from tradeready_gym.market import Candles
from tradeready_gym.tracking import journal as records

MINUTE = 60_000_000


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="tradeready_gym.live")


PLANS = [
    Plan({1: ["disconnect_midway"], 3: ["http_418", "drop"], 7: ["outage_500"]}, clock="clock_set_back"),
    Plan({2: ["duplicate"], 4: ["day_old"], 7: ["leap_500"]}, clock="clock_set_forward"),
    Plan({2: ["swap"], 4: ["http_429", "disconnect"]}, halt="halt_500", clock="clock_ahead"),
]


@pytest.mark.parametrize("plan", PLANS, ids=["out of reach", "asleep", "halted"])
def test_the_long_troubles_lose_and_double_nothing(plan: Plan) -> None:
    outcome = play(plan, 12)
    assert not outcome.wrong, outcome.first
    assert set(outcome.injected) >= {name for names in plan.faults.values() for name in names}
    assert outcome.counted["missed candles"] + outcome.counted["declared_gaps"] >= 499


def test_fifty_seeds_name_every_fault() -> None:
    named: set[str | None] = set()
    for plan in map(plan_of, range(50)):
        named |= {name for names in plan.faults.values() for name in names} | {plan.halt, plan.clock}
    assert named - {None} == set(DESCRIBED)


def test_the_table_blames_the_runs_of_a_fault() -> None:
    quiet, bad = Outcome(Counter(drop=2)), Outcome(Counter(drop=1, late=1))
    bad.note("lost fills", "one", 3)
    lines = soak.table([quiet, bad]).splitlines()
    assert lines[2:] == [
        "| late candle | 1 | 1 | 0 | 0 | 3 | 0 |",
        "| candle lost by the stream | 3 | 2 | 0 | 0 | 3 | 0 |",
    ]


@pytest.mark.parametrize("seed", range(5))
def test_an_event_time_in_the_future_moves_no_clock(seed: int) -> None:
    outcome = play(Plan({1 + seed: ["future"], 3 + seed: ["future", "duplicate"]}, clock=CLOCKS[seed]), 7, seed)
    assert not outcome.wrong, outcome.first
    assert outcome.injected["future"] >= 1
    assert outcome.counted["wrong_times"] >= 1


CLOCKS = [None, "clock_ahead", "clock_behind", "clock_set_forward", "clock_set_back"]

# ---- planted defects ----


def test_a_feed_that_believes_every_event_time_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def believing(self: BinanceFeed, moment: int) -> None:
        self._time.seen = max(self._time.seen, moment)

    monkeypatch.setattr(BinanceFeed, "_compare_clocks", believing)
    outcome = play(Plan({1: ["future"]}), 3)
    assert "ahead of the venue" in outcome.first


def test_an_observation_that_lacks_a_correction_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine, since = BinanceFeed._taken, dict[int, float]()

    def leisurely(self: BinanceFeed, time: int) -> Slot | None:
        # as when another symbol's candle is late: what is corrected meanwhile comes in time
        there = self._assembler is not None and time in self._assembler._waiting
        if there and since.setdefault(time, wall.monotonic()) > wall.monotonic() - 0.02:
            return None
        return genuine(self, time)

    monkeypatch.setattr(BinanceFeed, "_taken", leisurely)
    plan = Plan({slot: ["correction"] for slot in range(6)})
    outcome = play(plan, 6)
    assert not outcome.wrong, outcome.first
    assert outcome.counted["corrected slots"]

    def forgetful(live: LiveTradingEnv, candles: Candles) -> Candles:
        return candles

    monkeypatch.setattr(fault_script, "as_corrected", forgetful)
    assert "corrected" in play(plan, 6).first


def test_a_feed_that_declares_gaps_without_asking_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(self: BinanceFeed) -> None:
        assert self._assembler is not None
        with self._changed:
            for symbol, time in self._assembler.missing(self.now() // MINUTE * MINUTE):
                self._assembler.declare_gap(symbol, time)
            self._changed.notify_all()

    monkeypatch.setattr(BinanceFeed, "_backfill", hasty)
    outcome = play(Plan({slot: ["drop"] for slot in range(0, 12, 2)}), 8)
    assert outcome.wrong["silent gaps"]
    assert outcome.wrong["lost fills"]


def test_a_feed_that_believes_a_clock_that_is_ahead_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = BinanceFeed._measure_clock

    def believing(self: BinanceFeed, attempts: int = 8) -> int:
        return genuine(self, attempts) + 2 * MINUTE

    monkeypatch.setattr(BinanceFeed, "_measure_clock", believing)
    outcome = play(Plan({2: ["disconnect_midway"], 4: ["disconnect_midway"]}), 6)
    assert outcome.wrong["silent gaps"]


def test_a_client_that_does_not_wait_when_it_is_told_to_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BinanceRest, "_hold", lambda self, seconds: None)
    outcome = play(Plan({1: ["http_429", "drop"], 3: ["http_418", "drop"], 5: ["http_429", "disconnect"]}), 8)
    assert "while the venue refused" in outcome.first
    assert outcome.wrong["other"]


# ---- killed ----


class Killed(BaseException):
    """The process is gone."""


def _die_here(life: str, path: Path, seed: int, deadly: int, mode: str) -> bool:
    """As `kill_script._die`, without a process of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "append", records.append)
        patch.setattr("os.kill", _raise)
        kill_script._arm(deadly, mode)
        try:
            kill_script.live(life, path, seed)
        except Killed:
            return True
    return False


def _raise(*_: object) -> None:
    raise Killed


def test_processes_that_are_really_killed_lose_and_double_nothing() -> None:
    command = [sys.executable, str(Path(kill_script.__file__)), "--seeds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" killed, 0 wrong")


@pytest.mark.parametrize("life", kill_script.LIVES)
def test_torn_records_are_survived_twice(life: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill_script, "_die", _die_here)
    monkeypatch.setattr(kill_script, "STEPS", 4)
    outcome = kill_script.kill_everywhere(life, "in the middle of the write", 1, tmp_path)
    assert not outcome.wrong, outcome.first
    assert outcome.injected.total() > 12


def test_a_torn_end_that_stays_in_the_file_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill_script, "_die", _die_here)
    monkeypatch.setattr(kill_script, "STEPS", 4)
    monkeypatch.setattr(journal, "_cut_torn_end", lambda path: None)
    assert kill_script.kill_everywhere("paper account", MODES[1], 1, tmp_path).wrong["other"]


def test_orders_that_are_not_recognised_when_they_come_again_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kill_script, "_die", _die_here)
    monkeypatch.setattr(OrderRecords, "of_client", lambda self, client_order_id: None)
    assert kill_script.kill_everywhere("paper account", MODES[2], 0, tmp_path).wrong["duplicate orders"]


def test_orders_that_are_not_written_down_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill_script, "_die", _die_here)
    genuine = journal.SessionJournal.write

    def forgetful(self: journal.SessionJournal, kind: str, **body: object) -> None:
        if kind != "order":
            genuine(self, kind, **body)

    monkeypatch.setattr(journal.SessionJournal, "write", forgetful)
    outcome = kill_script.kill_everywhere("environment", MODES[0], 0, tmp_path)
    assert outcome.wrong["lost fills"]


MODES = kill_script.MODES
