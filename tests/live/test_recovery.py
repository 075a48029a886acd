"""A live session that is killed anywhere goes on as if nothing had happened."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dying import died
from test_parity import START, market

from tradeready_gym.envs.live import LiveTradingEnv
from tradeready_gym.errors import ConfigurationError, EpisodeError, StoreError
from tradeready_gym.live import FeedEnded, ReplayFeed, SessionJournal
from tradeready_gym.orders import Order
from tradeready_gym.rewards import CustomReward
from tradeready_gym.tracking import journal as records

STEPS = 12
KEPT = ("equity", "available_cash", "step", "virtual_time", "fees_paid", "realized_pnl", "locked_cash")


class Killed(BaseException):
    """The process is gone."""


def session(path: Path, **arguments: Any) -> LiveTradingEnv:
    """A session over the replay of one recording; a resumed one finds the market where it was."""
    composition = {"action_scheme": "managed_risk", "slippage": "uniform"} | arguments
    died(path)
    return LiveTradingEnv(ReplayFeed(market(), START), journal=path, **composition)


def act(env: LiveTradingEnv, begin: int) -> list[dict[str, Any]]:
    """Decide from step `begin` on, with an order of a person and a cancellation on the way; what the infos said."""
    told = []
    for k in range(begin, STEPS):
        if k == 5 and 1.0 not in [order["price"] for order in env.exchange.open_orders]:
            env.exchange.submit([Order("BTCUSDT", "buy", 0.001), Order("BTCUSDT", "buy", 0.001, "limit", price=1.0)])
        if k == 8:
            for order in env.exchange.open_orders:
                if order["price"] == 1.0:
                    env.exchange.cancel(order["order_id"])
        info = env.step(_action(env, k))[4]
        told.append({name: info[name] for name in KEPT} | {"fills": info["filled_orders"]})
    return told


def _action(env: LiveTradingEnv, k: int) -> Any:
    return int(np.random.default_rng(k).integers(env.action_space.n))  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """What a session tells that nobody kills, its trades, and how many records it writes."""
    path = tmp_path_factory.mktemp("live") / "session.journal"
    env = session(path)
    env.reset(seed=3)
    told = act(env, 0)
    return told, list(env.exchange.trades), len(records.read(path).records)


def test_a_session_writes_a_record_for_each_thing_that_happens(
    undisturbed: tuple[list[dict[str, Any]], list[dict[str, Any]], int],
) -> None:
    # begin, reset, an order, a cancellation, and a decision and a slot for each step
    assert undisturbed[2] == 1 + 1 + 1 + 1 + 2 * STEPS
    assert undisturbed[1]


@pytest.mark.parametrize("after_write", [False, True], ids=["before the record", "after the record"])
@pytest.mark.parametrize("deadly", range(1, 29))
def test_killed_at_any_record_nothing_is_lost_or_doubled(
    deadly: int,
    after_write: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: tuple[list[dict[str, Any]], list[dict[str, Any]], int],
) -> None:
    path, count = tmp_path / "session.journal", [0]
    genuine = SessionJournal.write

    def killing(self: SessionJournal, kind: str, **body: Any) -> None:
        count[0] += 1
        if count[0] == deadly and not after_write:
            raise Killed
        genuine(self, kind, **body)
        if count[0] == deadly:
            raise Killed

    monkeypatch.setattr(SessionJournal, "write", killing)
    with pytest.raises(Killed):
        env = session(path)
        env.reset(seed=3)
        act(env, 0)
    monkeypatch.setattr(SessionJournal, "write", genuine)
    env = session(path)
    recovered = env.recover()
    if recovered is None:
        env.reset(seed=3)
        begin = 0
    else:
        begin = int(recovered[1]["step"])
    assert act(env, begin) == undisturbed[0][begin:]
    assert list(env.exchange.trades) == undisturbed[1]


def test_a_record_that_was_half_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    env = session(path)
    env.reset(seed=3)
    env.step(1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    again = session(path)
    recovered = again.recover()
    assert recovered is not None
    # the decision is there, its slot was torn: it is completed, not taken again
    assert recovered[1]["step"] == 1
    assert recovered[1]["equity"] == env.exchange.net_worth


def test_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    env = session(path)
    env.reset(seed=3)
    for _ in range(4):
        env.step(1)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"00000003 garbage\n", b"00000003 rubbish\n", *lines[5:]]))
    with pytest.raises(StoreError, match="damaged in 2 places"):
        session(path)
    path.write_bytes(b"".join([*lines[:3], *lines[4:]]))
    with pytest.raises(StoreError, match="cannot be continued"):
        session(path).recover()


def test_another_composition_does_not_continue_a_session(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    session(path).reset(seed=3)
    with pytest.raises(ConfigurationError, match="belongs to another session"):
        session(path, fee_rate=0.002)


def test_a_session_that_goes_on_does_not_begin_by_accident(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    session(path).reset(seed=3)
    again = session(path)
    with pytest.raises(EpisodeError, match=r"recover\(\)"):
        again.reset(seed=4)


def test_a_full_disk_stops_before_the_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = session(tmp_path / "session.journal")
    env.reset(seed=3)
    before = (env.exchange.net_worth, env.feed.now())

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records, "append", full)
    with pytest.raises(OSError, match="No space"):
        env.step(1)
    assert (env.exchange.net_worth, env.feed.now()) == before


@pytest.mark.parametrize("share", [0.5, 1.0], ids=["half a record", "a whole one"])
@pytest.mark.parametrize("kind", ["decide", "slot", "order"])
def test_a_disk_that_was_full_for_a_moment_leaves_nothing_of_the_record(
    kind: str, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "session.journal"
    env = LiveTradingEnv(_OnceOnly(market(), START), journal=path)
    env.reset(seed=3)
    env.step(1)
    genuine = records.append

    def full(target: Path, data: bytes, *, sync: bool = False) -> None:
        if f'"{kind}"'.encode() not in data:
            return genuine(target, data, sync=sync)
        genuine(target, data[: int(share * len(data))])
        raise OSError(28, "No space left on device")

    def buy() -> None:
        env.exchange.submit([Order("BTCUSDT", "buy", 0.01)])

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space"):
        patched.setattr(records, "append", full)
        buy() if kind == "order" else env.step(2)
    if kind == "order":
        buy()
    told = [env.step(2)[4], env.step(1)[4]][-1]
    died(path)
    again = LiveTradingEnv(ReplayFeed(market(), START), journal=path)
    recovered = again.recover()
    assert recovered is not None
    assert {name: recovered[1][name] for name in KEPT} == {name: told[name] for name in KEPT}
    assert again.exchange.trades == env.exchange.trades
    # each candle once, each order once
    written = [record for record in records.read(path).records if record["message"] in ("slot", "order")]
    assert len(written) == told["step"] + (kind == "order")


def test_what_passed_before_a_decision_that_was_taken_back_is_told_and_seen(tmp_path: Path) -> None:
    path, hour = tmp_path / "session.journal", 3_600_000_000
    feed = ReplayFeed(market(), START)
    env = LiveTradingEnv(feed, journal=path)
    env.reset(seed=3)
    equity = env.step(1)[4]["equity"]
    feed.clock.advance_to(feed.now() + 3 * hour)
    # three have passed; the fourth, which is waited for, does not come
    feed.wait = _until(feed, env.clock_time + 3 * hour)  # type: ignore[method-assign]
    with pytest.raises(FeedEnded):
        env.step(0)
    env.withdraw()
    died(path)
    again = LiveTradingEnv(ReplayFeed(market(), START), journal=path)
    recovered = again.recover()
    assert recovered is not None
    observation, info = recovered
    assert (info["virtual_time"], info["equity"]) == ("2024-01-27T04:00:00Z", env.exchange.net_worth)
    plain = LiveTradingEnv(ReplayFeed(market(), START))
    plain.reset(seed=3)
    for action in (1, 0, 0, 0):
        seen = plain.step(action)[0]
    assert np.array_equal(observation, seen)
    _, reward, _, _, info = again.step(0)
    assert reward == pytest.approx(info["equity"] - equity, rel=1e-12)
    assert (info["missed_candles"], info["passed_candles"]) == (0, 3)


def _until(feed: ReplayFeed, last: int) -> Any:
    def wait(time: int, timeout: float | None = None) -> Any:
        if time >= last:
            raise FeedEnded("closed")
        return ReplayFeed.wait(feed, time, timeout)

    return wait


class _OnceOnly(ReplayFeed):
    """A feed that does not bring a candle twice, like those of venues."""

    brought = 0

    def wait(self, time: int, timeout: float | None = None) -> Any:
        if time <= self.brought:
            raise ConfigurationError("slots come one after the other")
        slot = super().wait(time, timeout)
        self.brought = time
        return slot


def test_a_process_that_is_killed_goes_on_in_another(tmp_path: Path) -> None:
    path, script = tmp_path / "session.journal", tmp_path / "play.py"
    script.write_text(
        textwrap.dedent(
            """
            import json, sys
            from pathlib import Path
            sys.path[:0] = sys.argv[2:]
            from test_recovery import session, _action
            env = session(Path(sys.argv[1]))
            last = env.recover() or env.reset(seed=3)
            for k in range(last[1]["step"], 60):
                info = env.step(_action(env, k))[4]
                print(json.dumps([info["step"], info["equity"]]), flush=True)
            """
        )
    )
    tests = Path(__file__).resolve().parent
    command = [sys.executable, str(script), str(path), str(tests), str(tests.parent)]
    environment = {**os.environ, "TRADEREADY_OFFLINE": "1"}
    seen: list[list[float]] = []
    for kill_after in (7, 20, 13, None):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            for count, line in enumerate(process.stdout, 1):
                seen.append(json.loads(line))
                if count == kill_after:
                    process.send_signal(signal.SIGKILL)
                    break
    env = session(tmp_path / "undisturbed.journal")
    env.reset(seed=3)
    expected = {}
    for k in range(60):
        info = env.step(_action(env, k))[4]
        expected[info["step"]] = info["equity"]
    assert seen[-1][0] == 60
    # every step that was told is right; none was told twice with another equity
    assert all(expected[int(step)] == equity for step, equity in seen)
    decided = [record["slot"] for record in records.read(path).records if record["message"] == "decide"]
    assert len(decided) == len(set(decided)) == 60


# ---- a decision that waits for its candle, and something else happens ----


class Interrupted(ReplayFeed):
    """A recording during which somebody loses patience once, or closes the feed."""

    waits = 0

    def __init__(self, *arguments: Any, at: int, error: type[BaseException]) -> None:
        super().__init__(*arguments)
        self._at, self._error = at, error

    def wait(self, time: int, timeout: float | None = None) -> Any:
        self.waits += 1
        if self.waits == self._at:
            raise self._error
        return super().wait(time, timeout)


def interrupted(path: Path, error: type[BaseException], at: int = 3) -> LiveTradingEnv:
    """A session that was interrupted while its third decision, to buy, waited for its candle."""
    env = LiveTradingEnv(Interrupted(market(), START, at=at, error=error), journal=path)
    env.reset(seed=3)
    env.step(1)
    env.step(0)
    with pytest.raises(error):
        env.step(1)
    return env


def recovered(path: Path) -> tuple[LiveTradingEnv, Any]:
    died(path)
    env = LiveTradingEnv(ReplayFeed(market(), START), journal=path)
    last = env.recover()
    assert last is not None
    return env, last


def copied(path: Path) -> Path:
    return Path(shutil.copy(path, path.with_name("copy.journal")))


def test_a_decision_that_was_interrupted_is_taken_back_by_the_next_one_and_the_session_recovers(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    env = interrupted(path, KeyboardInterrupt)
    told = [env.step(action)[4] for action in (2, 1)]
    again, (_, info) = recovered(copied(path))  # both go on

    slots = [record["slot"] for record in records.read(path).records if record["message"] == "decide"]
    assert slots[2] == slots[3]  # once withdrawn, once taken
    assert [record["message"] for record in records.read(path).records].count("withdraw") == 1
    assert told[0]["filled_orders"][0]["side"] == "sell"
    assert {name: info[name] for name in KEPT} == {name: told[1][name] for name in KEPT}
    assert again.exchange.trades == env.exchange.trades
    assert again.step(2)[4]["equity"] == env.step(2)[4]["equity"]


def test_what_is_flattened_while_a_decision_waits_stays_flat_and_the_session_recovers(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    env = interrupted(path, FeedEnded)
    held = env.exchange.portfolio["BTCUSDT"]
    assert held > 0.0
    env.exchange.submit([Order("BTCUSDT", "sell", held)])
    again, _ = recovered(path)

    assert env.exchange.portfolio == again.exchange.portfolio == {}
    assert again.exchange.trades == env.exchange.trades
    # the next step tells of the sale; the decision to buy is not carried out afterwards
    assert [fill["side"] for fill in again.step(0)[4]["filled_orders"]] == ["sell"]
    assert again.exchange.portfolio == {}


def test_a_cancellation_and_a_new_account_take_a_waiting_decision_back_too(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    env = interrupted(path, KeyboardInterrupt)
    env.reset(seed=4)
    told = env.step(1)[4]
    _, (_, info) = recovered(path)

    assert {name: info[name] for name in KEPT} == {name: told[name] for name in KEPT}
    assert not env.withdraw()


# ---- candles that pass without a decision ----


def late(path: Path, hours: int, wait_fails_at: int = 0) -> LiveTradingEnv:
    """A session that has decided twice, and whose feed went on for some hours meanwhile."""
    feed = Interrupted(market(), START, at=wait_fails_at, error=KeyboardInterrupt)
    env = LiveTradingEnv(feed, journal=path, action_scheme="managed_risk", slippage="uniform")
    env.reset(seed=3)
    for k in (1, 2):
        env.step(_action(env, k))
    feed.clock.advance_to(feed.now() + hours * 3_600_000_000)
    return env


def test_candles_that_are_let_pass_are_told_and_recovered(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    env = late(path, 5)
    passed = env.catch_up()
    assert passed is not None
    seen, info = passed
    assert (info["missed_candles"], info["step"], env.catch_up()) == (5, 7, None)
    whole = LiveTradingEnv(ReplayFeed(market(), START), action_scheme="managed_risk", slippage="uniform")
    whole.reset(seed=3)
    paid, fills = [], []
    for action in [_action(env, 1), _action(env, 2), 0, 0, 0, 0, 0, 0]:
        expected, reward, _, _, other = whole.step(action)
        paid.append(reward)
        fills.append(other["filled_orders"])
        if len(paid) == 7:
            assert np.array_equal(seen, expected)
    path = copied(path)  # both go on
    again = LiveTradingEnv(ReplayFeed(market(), START), journal=path, action_scheme="managed_risk", slippage="uniform")
    recovered = again.recover()
    assert recovered is not None
    assert np.array_equal(recovered[0], seen)
    for one in (env, again):
        observation, reward, _, _, told = one.step(0)
        assert np.array_equal(observation, expected)
        # what was earned and filled meanwhile is told now
        assert reward == pytest.approx(sum(paid[2:]), rel=1e-12)
        assert told["filled_orders"] == [fill for one_step in fills[2:] for fill in one_step]
        assert (told["passed_candles"], told["missed_candles"]) == (5, 0)
        assert one.step(0)[4]["passed_candles"] == 0
    assert env.exchange.trades == again.exchange.trades


@pytest.mark.parametrize("at", [3, 5])
def test_a_catch_up_that_is_interrupted_recovers(at: int, tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    env = late(path, 5, wait_fails_at=at)
    with pytest.raises(KeyboardInterrupt):
        env.catch_up()
    told = [env.step(action)[4] for action in (3, 0)]
    died(path)
    again = LiveTradingEnv(ReplayFeed(market(), START), journal=path, action_scheme="managed_risk", slippage="uniform")
    last = again.recover()
    assert last is not None
    assert {name: last[1][name] for name in KEPT} == {name: told[-1][name] for name in KEPT}
    assert again.exchange.trades == env.exchange.trades


def test_a_component_without_a_name_of_its_own_goes_on_in_another_process(tmp_path: Path) -> None:
    class Mine(CustomReward):
        """A reward as users write it, which prints as its place in the memory."""

        def compute(self, prev_equity: float, curr_equity: float, info: Mapping[str, Any]) -> float:
            return curr_equity - prev_equity

    class Another(Mine):
        pass

    one, other = Mine(), Mine()
    assert repr(one) != repr(other)
    path = tmp_path / "session.journal"
    env = session(path, reward_scheme=one)
    env.reset(seed=3)
    told = act(env, 0)
    env.close()
    again = session(path, reward_scheme=other)
    recovered = again.recover()
    assert recovered is not None
    assert {name: recovered[1][name] for name in KEPT} == {name: told[-1][name] for name in KEPT}
    again.close()
    with pytest.raises(ConfigurationError, match="another session"):
        session(path, reward_scheme=Another())


@pytest.mark.parametrize("careless", [False, True], ids=["as it is", "one that forgets what waits"])
def test_a_disk_that_is_full_for_long_leaves_a_journal_that_goes_on(
    careless: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(self: LiveTradingEnv) -> bool:
        pending, self._pending = self._pending, False
        if pending:
            self._began("withdraw")
        return pending

    path = tmp_path / "session.journal"
    genuine, written = records.append, [0]

    def full(*arguments: Any, **named: Any) -> None:
        written[0] += 1
        if written[0] > 1:  # the decision has room, its candle and what takes it back have none
            raise OSError(28, "No space left on device")
        genuine(*arguments, **named)

    env = session(path)
    env.reset(seed=3)
    if careless:
        monkeypatch.setattr(LiveTradingEnv, "withdraw", forgetful)
    with monkeypatch.context() as patched:
        patched.setattr(records, "append", full)
        for _ in range(3):
            with pytest.raises(OSError, match="No space"):
                env.step(1)
    told = env.step(1)[4]
    env.close()
    again = session(path)
    if careless:
        with pytest.raises(StoreError, match="lacks the slot"):
            again.recover()
        return
    recovered = again.recover()
    assert recovered is not None
    assert {name: recovered[1][name] for name in KEPT} == {name: told[name] for name in KEPT}
    again.close()
