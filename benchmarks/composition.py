"""The vector step that is composed of components, against one kernel that was written by hand for the same arithmetic.

    python benchmarks/run.py --only composition

The kernel below knows Hold/Buy/Sell, volume-share slippage, a percentage fee and one symbol on a spot account, and nothing
else: no resting orders, brackets, lots, ticks, fixed fees, partial fills or several candles per action, which the composed
step has to ask about. It is built twice, with its numbers read at run time, as the composed step reads
them, and compiled in. It works on the same records, moves memory by the same helpers, and avoids branches where the composed
step does. All are called as compiled code, without the environment around them. Before anything is timed, they play the same
actions, and observations, reports, fills, refusals and accounts are compared after every step, bit for bit.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numba import njit

sys.path.insert(0, __file__.rsplit("/", 1)[0] + "/peers")
from candles import WINDOW, make_candles

import tradeready_gym  # noqa: F401
from tradeready_gym.engine import step as composed
from tradeready_gym.engine.blocks import copy_block, prefetch
from tradeready_gym.engine.episode import start_episode
from tradeready_gym.market import Candles

rows_of, table_of, actions_of = composed.rows_of, composed.table_of, composed.actions_of
settings_of, segments_of, costs_of = composed.settings_of, composed.segments_of, composed.costs_of
accounts_of, positions_of, memory_of = composed.accounts_of, composed.positions_of, composed.memory_of
fills_of, rejects_of = composed.fills_of, composed.rejects_of
scheme_of, model_of, reward_of = (
    composed.action_parameters_of,
    composed.slippage_parameters_of,
    composed.reward_parameters_of,
)

FEATURES = 5
AHEAD = 6
LARGEST = 3.4028234663852886e38
POSITION_SIZE = 0.1
FACTOR, LEAST, MOST = 0.1, 0.0001, 0.1
SHARPE_WINDOW = 50
# what only a more general step keeps
UNUSED = {"reported", "pending", "volume_used"}
STEPS_COMPARED = 200
ROUNDS = 24
WORK = 1 << 19


def by_hand(sharpe: bool, constants: bool) -> Callable[..., int]:
    """Hold, buy a tenth, or sell all; volume-share slippage; paid in PnL or in the change of the Sharpe ratio of 50 returns.

    With `constants` the numbers are compiled in; without, they are read at every call, as the composed step reads them.
    """

    def step(world: Any, observations: Any, report: Any, first: int, last: int) -> int:
        rows = rows_of(world)
        table = table_of(world)
        settings = settings_of(world)[0]
        accounts = accounts_of(world)
        all_positions = positions_of(world)
        all_fills = fills_of(world)
        all_rejects = rejects_of(world)
        all_memory = memory_of(world)
        segments = segments_of(world)
        actions = actions_of(world)
        lookback = WINDOW if constants else settings.lookback
        features = FEATURES if constants else settings.features
        width = WINDOW * FEATURES + 3 if constants else settings.width
        position_size = POSITION_SIZE if constants else scheme_of(world)[0]
        factor = FACTOR if constants else model_of(world)[0]
        least = LEAST if constants else model_of(world)[1]
        most = MOST if constants else model_of(world)[2]
        window = SHARPE_WINDOW if constants or not sharpe else int(reward_of(world)[0])
        block = lookback * features
        fee_rate = costs_of(world)[0].fee_rate
        dust = costs_of(world)[0].dust
        counts = report.view(np.int64)
        candles = rows.reshape(-1)
        news = 0
        for i in range(max(first, 0), last):
            place = np.uintp(i)
            account = accounts[place]
            position = all_positions[place, 0]
            ahead = accounts[np.uintp(min(i + AHEAD, last - 1))].row
            prefetch(candles, ahead - 1)
            prefetch(candles, ahead)

            if account.done != 0:
                start_episode(account, all_positions[i], all_memory[i], segments, settings)
            else:
                row = account.row
                newest = candles[np.uintp(row - 1)]
                candle = candles[np.uintp(row)]
                start = account.starting_balance
                cash = account.cash
                held = position.quantity
                entry = position.average_entry
                account.fills = 0
                account.rejects = 0

                # action, order
                side = 0
                quantity = 0.0
                action = actions[place, 0]
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
                            position.trip_pnl -= fee
                        else:
                            fee = min(fee, price * quantity)
                            realized = (price - entry) * quantity
                            cash += price * quantity - fee
                            account.realized_pnl += realized
                            trip = position.trip_pnl + (realized - fee)
                            held = 0.0
                            entry = 0.0
                            account.round_trips += 1
                            if trip > 0.0:
                                account.winning_trips += 1
                                account.gross_profit += trip
                            else:
                                account.gross_loss -= trip
                            position.trip_pnl = 0.0
                        position.quantity = held
                        position.average_entry = entry
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
                account.clock_equity = equity

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
                    ratio_return = min(change, 1e100)
                    count = memory[0]
                    slot = int(memory[4])
                    old = memory[5 + slot]
                    memory[5 + slot] = ratio_return
                    if count < window:
                        count += 1.0
                        memory[0] = count
                    wraps = slot == window - 1
                    memory[4] = 0.0 if wraps else slot + 1.0
                    leaving = old * old
                    squares = memory[2] + (ratio_return * ratio_return - leaving)
                    if wraps or squares < 1e-3 * leaving:
                        total = 0.0
                        squares = 0.0
                        for k in range(window):
                            total += memory[5 + k]
                            squares += memory[5 + k] * memory[5 + k]
                    else:
                        total = memory[1] + (ratio_return - old)
                    memory[1] = total
                    memory[2] = squares
                    ratio = 0.0
                    if count >= 2.0:
                        average = total / count
                        deviation = math.sqrt(max(squares / count - average * average, 0.0))
                        ratio = min(max(average / max(deviation, 1e-9), -10.0), 10.0)
                    paid = ratio - memory[3]
                    memory[3] = ratio
                else:
                    paid = equity - previous
                # as a sum over the candles of an action, of which there is one
                account.reward = 0.0 + paid
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
            counts[12, place] = account.done
            counts[13, place] = account.fills
            counts[14, place] = account.rejects
            if account.fills > 0:
                news |= 2
            if account.rejects > 0:
                news |= 4
            if account.done != 0:
                news |= 1
        return news

    return njit(nogil=True, error_model="numpy")(step)


class Side:
    """One engine with its buffers, stepped by the composed kernel or by the hand-written one."""

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

    def restart(self) -> None:
        """Begin the first episode of every environment again."""
        self.engine.seed(range(self.environments))
        self.engine.restart(np.ones(self.environments, np.bool_), self.observations, self.report)

    def step(self, actions: Any) -> float:
        """One step; the seconds that the compiled call took."""
        engine, n = self.engine, self.environments
        engine.actions[:, 0] = actions
        begin = time.perf_counter()
        if self.written is None:
            self.news = engine.advance(engine.world, self.observations, self.report, 0, n, composed.WHOLE_STEP)
        else:
            self.news = self.written(engine.world, self.observations, self.report, 0, n)
        return time.perf_counter() - begin

    def seen(self) -> dict[str, bytes]:
        """The bits of everything that the last step left."""
        engine = self.engine
        left = {"observations": self.observations.tobytes(), "report": self.report[:, : self.environments].tobytes()}
        for name in ("accounts", "positions"):
            records = np.asarray(getattr(engine.state, name))
            for part in set(records.dtype.names or ()) - UNUSED:
                left[f"{name}.{part}"] = records[part].tobytes()
        for name in ("fills", "rejects"):
            left[name] = engine.collect(name, engine.state.accounts[name].astype(np.int64)).tobytes()
        left["memory"] = engine.memory.tobytes()
        left["news"] = bytes([self.news])
        return left


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
        kernels = [by_hand(reward == "sharpe", constants) for constants in (False, True)]
        for count in (1024, 8192):
            random = np.random.default_rng(0).integers(0, 3, (64, count)).astype(np.float64)
            # episodes that end, and more bought than there is cash for
            buying = np.where((random == 2.0) & (random[::-1] > 0.0), 1.0, random)
            for written in kernels:
                compare(Side(candles, 256, reward, 70), Side(candles, 256, reward, 70, written), buying[:, :256])
            sides = [Side(candles, count, reward, 5000, written) for written in (None, *kernels)]
            for other in sides[1:]:
                compare(sides[0], other, random)
            for kind, actions in (("random", random), ("hold", np.zeros_like(random))):
                times = dict(zip(("composed", "by_hand", "constants"), measure(sides, actions), strict=True))
                rows.append({"environments": count, "reward": reward, "actions": kind, **times})
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
