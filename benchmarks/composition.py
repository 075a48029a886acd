"""The vector step that is composed of components, against one kernel that was written by hand for the same arithmetic.

    python benchmarks/run.py --only composition

The kernel below knows Hold/Buy/Sell, volume-share slippage, a percentage fee and one symbol on a spot account, and nothing
else. It is what a person would write: one loop over an array of records of its own, account after account, each read and
written once, with numbers that are read at run time. It moves windows by the composed step's helper, asks for candles early,
and avoids branches where the kernels of the components do. The composed step keeps its accounts in columns and moves eight at
a time (`engine/lockstep.py`): that is why it can be faster than what a person would write by hand. It is no bound; who writes
a kernel in columns, each phase a loop with choices for branches, has the eight as well, and a longer kernel.

Both are called as compiled code, without the environment around them. Before anything is timed, they play the same actions,
and observations, reports, fills, refusals, accounts and what the reward remembers are compared after every step, bit for bit.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numba import carray, njit  # type: ignore[attr-defined]

sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/peers")
from candles import WINDOW, make_candles

import tradeready_gym  # noqa: F401
from tradeready_gym.engine.blocks import copy_block, prefetch
from tradeready_gym.engine.records import REPORT
from tradeready_gym.engine.step import WHOLE_STEP
from tradeready_gym.engine.world import addresses, field, pointer
from tradeready_gym.exchanges.draws import START_STREAM, uniform
from tradeready_gym.ledger.records import ACCOUNT_DTYPE, POSITION_DTYPE
from tradeready_gym.market import Candles

rows_of, table_of, settings_of, segments_of, costs_of = (
    field(name) for name in ("rows", "table", "settings", "segments", "costs")
)
memory_of, fills_of, rejects_of = (field(name) for name in ("memory", "fills", "rejects"))
actions_of, scheme_of, model_of, reward_of = (
    field(name) for name in ("actions", "action_parameters", "slippage_parameters", "reward_parameters")
)

AHEAD = 6
LARGEST = 3.4028234663852886e38
# the rows of the report that a step writes; the rest of it stands in the accounts
REPORTED = REPORT.index("done")
# an account and its position, less what only a more general step keeps
UNUSED = {
    *("pending", "resting", "reported", "locked_cash", "clock_equity"),
    *("financing_paid", "bankruptcy_loss", "financed_row", "opened"),
}
HELD = ["quantity", "average_entry", "trip_pnl"]
RECORD = np.dtype(
    [(name, POSITION_DTYPE[name]) for name in HELD]
    + [(name, ACCOUNT_DTYPE[name]) for name in ACCOUNT_DTYPE.names or () if name not in UNUSED]
)
STEPS_COMPARED = 200
ROUNDS = 24
WORK = 1 << 19


@njit(inline="always")
def rolled(high: float, low: float, entering: float, leaving: float) -> tuple[float, float]:
    """A sum that is kept as a pair of doubles, with what enters and less what leaves."""
    change = entering - leaving
    taken = change - entering
    left = (entering - (change - taken)) + (-leaving - taken)
    total = high + change
    taken = total - high
    below = low + (left + ((high - (total - taken)) + (change - taken)))
    total_high = total + below
    return total_high, below - (total_high - total)


@njit
def begin(accounts: Any, place: int, fresh: int, memory: Any, segment: Any, length: int) -> None:
    """The next episode of one account; record `fresh` is that of one which has just begun."""
    seed, episode = accounts[place].seed, accounts[place].episode + 1
    accounts[place] = accounts[fresh]
    account = accounts[place]
    account.seed = seed
    account.episode = episode
    starts = segment.end_row - length - segment.first_row + 1
    account.row = segment.first_row + int(uniform(np.uint64(seed), episode, 0, START_STREAM, 1) * starts)
    account.start_row = account.row
    account.end_row = account.row + length
    for k in range(memory.shape[0]):
        memory[k] = 0.0


def by_hand(sharpe: bool) -> Callable[..., int]:
    """Hold, buy a share, or sell all; volume-share slippage; paid in PnL or in the change of a rolling Sharpe ratio.

    `home` is the address of `last + 1` records; the one past the accounts is that of an account which has just begun.
    """

    def step(world: Any, home: int, observations: Any, report: Any, last: int) -> int:
        rows = rows_of(world)
        table = table_of(world)
        settings = settings_of(world)[0]
        accounts = carray(pointer(home), (last + 1,), RECORD)
        all_fills = fills_of(world)
        all_rejects = rejects_of(world)
        all_memory = memory_of(world)
        segment = segments_of(world)[0]
        actions = actions_of(world)
        lookback = settings.lookback
        features = settings.features
        width = settings.width
        position_size = scheme_of(world)[0]
        factor = model_of(world)[0]
        least = model_of(world)[1]
        most = model_of(world)[2]
        window = reward_of(world)[0]
        block = lookback * features
        fee_rate = costs_of(world)[0].fee_rate
        dust = costs_of(world)[0].dust
        counts = report.view(np.int64)
        candles = rows.reshape(-1)
        news = 0
        for i in range(last):
            place = np.uintp(i)
            account = accounts[place]
            ahead = accounts[np.uintp(min(i + AHEAD, last - 1))].row
            prefetch(candles, ahead - 1)
            prefetch(candles, ahead)

            if account.done != 0:
                begin(accounts, i, last, all_memory[i], segment, settings.episode_length)
            else:
                row = account.row
                newest = candles[np.uintp(row - 1)]
                candle = candles[np.uintp(row)]
                start = account.starting_balance
                cash = account.cash
                held = account.quantity
                entry = account.average_entry
                account.fills = 0
                account.rejects = 0

                # action, order
                side = 0
                quantity = 0.0
                action = actions[0, place]
                if action == 1.0:
                    quantity = account.equity * position_size / newest.close
                    side = 1 if quantity > 0.0 else 0
                elif action == 2.0 and held > 0.0:
                    quantity = held
                    side = -1

                if side != 0:
                    number = account.next_order_id
                    account.next_order_id = number + 1

                    # slippage
                    slip = most
                    if newest.quote_volume > 0.0:
                        slip = min(max(factor * (quantity * newest.close) / newest.quote_volume, least), most)

                    # refusals, fee, cut to cash
                    reason = 0
                    asked = quantity
                    price = 0.0
                    fee = 0.0
                    spent = 0.0
                    if not quantity < math.inf:
                        reason = 4
                    elif quantity * newest.close < dust * start:
                        reason = 3
                    elif candle.volume <= 0.0:
                        reason = 7
                    else:
                        price = candle.open * (1.0 + slip) if side > 0 else candle.open * (1.0 - slip)
                        if not (price > 0.0 and price < math.inf):
                            reason = 5
                        elif side > 0:
                            unit_cost = price * (1.0 + fee_rate)
                            spent = quantity * unit_cost
                            if spent > cash + 1e-12 * start:
                                quantity = max(cash / unit_cost, 0.0)
                                spent = cash
                                if quantity * newest.close < dust * start:
                                    reason = 3

                    if reason != 0:
                        reject = all_rejects[place, 0]
                        reject.order_id = number
                        reject.symbol = 0
                        reject.side = side
                        reject.kind = 0
                        reject.quantity = asked
                        reject.price = 0.0
                        reject.reason = reason
                        reject.row = row
                        account.rejects = 1
                    else:
                        # fill
                        fee = fee_rate * price * quantity
                        realized = 0.0
                        if side > 0:
                            cash = max(cash - spent, 0.0)
                            total = held + quantity
                            entry += (price - entry) * (quantity / total)
                            held = total
                            account.trip_pnl -= fee
                        else:
                            fee = min(fee, price * quantity)
                            realized = (price - entry) * quantity
                            cash += price * quantity - fee
                            account.realized_pnl += realized
                            trip = account.trip_pnl + (realized - fee)
                            held = 0.0
                            entry = 0.0
                            account.round_trips += 1
                            if trip > 0.0:
                                account.winning_trips += 1
                                account.gross_profit += trip
                            else:
                                account.gross_loss -= trip
                            account.trip_pnl = 0.0
                        account.quantity = held
                        account.average_entry = entry
                        account.cash = cash
                        account.fees_paid += fee
                        fill = all_fills[place, 0]
                        fill.order_id = number
                        fill.symbol = 0
                        fill.side = side
                        fill.kind = 0
                        fill.quantity = quantity
                        fill.price = price
                        fill.fee = fee
                        fill.slippage = slip
                        fill.realized_pnl = realized
                        fill.row = row
                        account.fills = 1
                        account.trades += 1
                        account.traded_value += price * quantity

                # mark
                previous = account.equity
                close = candle.close
                value = held * close
                equity = cash + value
                account.row = row + 1
                account.previous_equity = previous
                account.position_value = value
                account.unrealized_pnl = (close - entry) * held
                account.equity = equity

                # statistics
                steps = account.steps + 1
                account.steps = steps
                change = (equity - previous) / previous if previous > 0.0 else 0.0
                mean = account.return_mean
                delta = change - mean
                mean += delta / steps
                account.return_mean = mean
                account.return_m2 += delta * (change - mean)
                loss = min(change, 0.0)
                account.downside_sum += loss * loss
                account.equity_sum += equity
                account.exposed_steps += held != 0.0
                peak = account.peak_equity
                peak_step = account.peak_step
                fall = (peak - equity) / peak
                deeper = fall > account.max_drawdown
                bottom_peak_step = peak_step if deeper else account.drawdown_peak_step
                account.max_drawdown = fall if deeper else account.max_drawdown
                account.drawdown_peak_step = bottom_peak_step
                lasted = steps - peak_step
                account.drawdown_steps = lasted if bottom_peak_step == peak_step else account.drawdown_steps
                risen = equity >= peak
                account.peak_equity = equity if risen else peak
                account.peak_step = steps if risen else peak_step

                # done flags
                terminated = 0
                truncated = 0
                if row + 1 >= account.end_row:
                    if account.end_row == account.data_end_row:
                        terminated = 1
                    else:
                        truncated = 1
                if equity <= start - settings.max_loss * start:
                    truncated = 1
                account.done = terminated + 2 * truncated

                # reward
                if sharpe:
                    memory = all_memory[place]
                    earned = min(max(min(change, 1e100), -1e6), 1e6)
                    past = memory[0]
                    slot = 6 + int(past - window if past >= window else past)
                    past += 1.0
                    memory[0] = window if past >= 2.0 * window else past
                    count = min(past, window)
                    old = memory[slot]
                    memory[slot] = earned
                    total, total_low = rolled(memory[2], memory[3], earned, old)
                    memory[2] = total
                    memory[3] = total_low
                    squares, squares_low = rolled(memory[4], memory[5], earned * earned, old * old)
                    memory[4] = squares
                    memory[5] = squares_low
                    deviations = math.sqrt(max(count * squares - total * total, 0.0))
                    ratio = (total if abs(total) > 1e-20 else 0.0) / max(deviations, 1e-9 * count)
                    ratio = min(max(ratio, -10.0), 10.0) if count >= 2.0 else 0.0
                    paid = ratio - memory[1]
                    memory[1] = ratio
                else:
                    paid = equity - previous
                account.reward = paid
                account.reward_sum += paid

            # observation
            row = account.row
            equity = account.equity
            at = i * width
            copy_block(observations, at, table, (row - lookback) * features, block)
            scale = 1.0 / equity if equity > 0.0 else 0.0
            observations[at + block] = min(max(account.cash / account.starting_balance, -LARGEST), LARGEST)
            observations[at + block + 1] = min(max(account.position_value * scale, -LARGEST), LARGEST)
            observations[at + block + 2] = min(max(account.unrealized_pnl * scale, -LARGEST), LARGEST)

            # report
            played = row - account.start_row
            length = account.end_row - account.start_row
            report[0, place] = account.reward
            report[1, place] = equity
            report[2, place] = account.cash
            report[3, place] = account.position_value
            report[4, place] = account.unrealized_pnl
            report[5, place] = 0.0
            report[6, place] = account.realized_pnl
            report[7, place] = account.fees_paid
            report[8, place] = round(10000.0 * played / length) / 100.0
            counts[9, place] = int(candles[np.uintp(row - 1)].time) + settings.candle_length
            counts[10, place] = played
            counts[11, place] = length
            if account.fills > 0:
                news |= 2
            if account.rejects > 0:
                news |= 4
            if account.done != 0:
                news |= 1
        return news

    return njit(nogil=True, error_model="numpy")(step)


class Side:
    """One engine with its buffers, stepped by the composed kernel, or by a hand-written one on arrays of records of its own."""

    def __init__(self, candles: Candles, environments: int, reward: str, length: int, written: Any = None) -> None:
        env: Any = gym.make_vec(
            "TradeReady-BTC-v0",
            num_envs=environments,
            data=candles,
            lookback_window=WINDOW,
            episode_length=length,
            reward_function=reward,
            track_training=False,
        ).unwrapped
        self.engine = env.engine
        self.environments = environments
        self.written = written
        self.news = 0
        self.observations = self.engine.new_observations()
        self.report = self.engine.new_report()
        self.memory = self.engine.memory[:, :environments].T
        self.fills, self.rejects = self.engine.state.fills, self.engine.state.rejects
        if written is not None:
            self.accounts = np.zeros(environments + 1, RECORD)
            self.home = self.accounts.ctypes.data
            self.memory = np.zeros(self.memory.shape)
            self.fills, self.rejects = np.array(self.fills), np.array(self.rejects)
            own = {"memory": self.memory, "fills": self.fills, "rejects": self.rejects}
            self.world = addresses({**self.engine._arrays(), **own})

    def restart(self) -> None:
        """Begin the first episode of every environment again."""
        engine = self.engine
        engine.seed(range(self.environments))
        engine.restart(np.ones(self.environments, np.bool_), self.observations, self.report)
        if self.written is not None:
            for name, begun in self.composed_accounts().items():
                self.accounts[name][:-1] = begun
            self.accounts[-1] = self.accounts[0]
            self.memory[...] = 0.0

    def step(self, actions: Any) -> float:
        """One step; the seconds that the compiled call took."""
        engine, n = self.engine, self.environments
        engine.actions[:, 0] = actions
        started = time.perf_counter()
        if self.written is None:
            self.news = engine.advance(engine.world, self.observations, self.report, 0, n, WHOLE_STEP)
        else:
            self.news = self.written(self.world, self.home, self.observations, self.report, n)
        return time.perf_counter() - started

    def composed_accounts(self) -> dict[str, Any]:
        """The fields of `RECORD` in the engine's own accounts, each of shape (N,)."""
        state = self.engine.state
        accounts, positions = np.asarray(state.accounts), np.asarray(state.positions)[:, 0]
        return {name: (positions if name in HELD else accounts)[name] for name in RECORD.names or ()}

    def seen(self) -> dict[str, bytes]:
        """The bits of everything that the last step left."""
        left = self.composed_accounts()
        if self.written is not None:
            left = {name: self.accounts[name][:-1] for name in left}
        left["fills records"] = np.asarray(self.fills)[left["fills"] > 0]
        left["rejects records"] = np.asarray(self.rejects)[left["rejects"] > 0]
        left["observations"] = self.observations
        left["report"] = self.report[:REPORTED, : self.environments]
        left["memory"] = self.memory
        left["news"] = np.array(self.news)
        return {name: array.tobytes() for name, array in left.items()}


def compare(ours: Side, theirs: Side, actions: Any) -> None:
    """Stop unless both leave the same bits at every step."""
    ours.restart()
    theirs.restart()
    for k in range(STEPS_COMPARED):
        ours.step(actions[k % len(actions)])
        theirs.step(actions[k % len(actions)])
        expected, found = ours.seen(), theirs.seen()
        if differing := sorted(name for name in expected if expected[name] != found[name]):
            raise SystemExit(f"step {k}: {', '.join(differing)} differ; nothing was timed")


def timed(side: Side, actions: Any, steps: int) -> Any:
    """Seconds of each of the first steps of an episode."""
    side.restart()
    return np.array([side.step(actions[k % len(actions)]) for k in range(steps)])


def measure(sides: Sequence[Side], actions: Any) -> list[float]:
    """Nanoseconds per environment and step of each side; in turn, of every step the best of several rounds."""
    steps = WORK // sides[0].environments
    rounds = [[timed(side, actions, steps) for side in sides] for _ in range(ROUNDS)]
    best = np.min(rounds, axis=0).sum(axis=1)
    return [float(1e9 * seconds / (steps * sides[0].environments)) for seconds in best]


def main() -> None:
    """Print JSON: one row per batch size, reward and kind of actions; nanoseconds per environment and step."""
    columns = make_candles()
    prices = [columns[name] for name in ("open", "high", "low", "close", "volume")]
    candles = Candles.from_arrays("BTCUSDT", "1h", columns["time"], *prices)
    rows: list[dict[str, Any]] = []
    for reward in ("pnl", "sharpe"):
        written = by_hand(reward == "sharpe")
        for count in (1024, 8192):
            random = np.random.default_rng(0).integers(0, 3, (64, count)).astype(np.float64)
            # episodes that end, and more bought than there is cash for
            buying = np.where((random == 2.0) & (random[::-1] > 0.0), 1.0, random)
            compare(Side(candles, 250, reward, 70), Side(candles, 250, reward, 70, written), buying[:, :250])
            ours, theirs = Side(candles, count, reward, 5000), Side(candles, count, reward, 5000, written)
            compare(ours, theirs, random)
            for kind, actions in (("random", random), ("hold", np.zeros_like(random))):
                composed, hand = measure((ours, theirs), actions)
                row = {"environments": count, "reward": reward, "actions": kind}
                rows.append({**row, "composed": composed, "by_hand": hand})
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
