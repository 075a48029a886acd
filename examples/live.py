"""A rule on candles that arrive one by one: paper trading, and the same stretch as a backtest.

python examples/live.py [STEPS] [binance]

By default a recording is played as if its candles closed now, as fast as they are asked for. With `binance` they are those of
the venue's public streams, one a minute, which needs `pip install "tradeready-gym[live]"` and neither an account nor a key. No
real order is sent anywhere.
"""
# ruff: noqa: T201

import sys
from typing import Any

import gymnasium as gym

import tradeready_gym  # noqa: F401  registers the ids
from tradeready_gym.live import ReplayFeed
from tradeready_gym.market import load_sample

STEPS = int(sys.argv[1]) if len(sys.argv) > 1 else 240
START = "2023-01-01T00:00:00Z"
PARTS: dict[str, Any] = {
    "observation_features": ["ma_ratio_24", "position"],
    "lookback_window": 1,
    "position_size": 1.0,
    "track_training": False,
}


def play(market: gym.Env[Any, Any]) -> dict[str, Any]:
    """Holds while the close is above its mean of 24 candles; what the last step told."""
    observation, info = market.reset(seed=0)
    for _ in range(STEPS):
        above, held = observation[0] > 0.0, observation[1] > 0.5
        # 0 hold, 1 buy with all the cash, 2 sell everything; a live step returns when its candle has closed
        observation, _, terminated, _, info = market.step(0 if above == held else 1 if above else 2)
        for fill in info["filled_orders"]:
            print(f"{fill['filled_at']}  {fill['side']:4}  {fill['quantity']:.5f} at {fill['price']:.2f}")
        if terminated:
            break
    market.close()
    return info


if "binance" in sys.argv[2:]:
    told = play(gym.make("TradeReady-Live-v0", pairs=["BTCUSDT"], timeframe="1m", **PARTS))
    print(
        f"{told['virtual_time']}  equity {told['equity']:.2f}  {told['missed_candles']} candles missed in the last step"
    )
else:
    told = play(gym.make("TradeReady-Live-v0", feed=ReplayFeed(load_sample(), START), **PARTS))
    print(f"{told['virtual_time']}  equity {told['equity']:.2f}  live")
    told = play(gym.make("TradeReady-BTC-v0", data="sample", start_time=START, **PARTS))
    print(f"{told['virtual_time']}  equity {told['equity']:.2f}  as a backtest")
