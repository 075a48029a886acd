"""An agent that draws its actions: the loop that everything else begins with.

python examples/random_agent.py [STEPS]
"""
# ruff: noqa: T201

import sys

import gymnasium as gym

import tradeready_gym  # noqa: F401  registers the ids

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
market = gym.make(
    "TradeReady-BTC-v0",
    data="sample",
    timeframe="1h",
    starting_balance=10_000,
    start_time="2023-01-01T00:00:00Z",
    episode_length=720,  # a month, drawn at each reset; without it, the whole span
    track_training=False,
)
market.action_space.seed(1)
observation, info = market.reset(seed=1)
for _ in range(steps):
    action = market.action_space.sample()  # 0 hold, 1 buy a tenth of the equity, 2 sell everything
    observation, reward, terminated, truncated, info = market.step(action)
    if terminated or truncated:
        metrics = info["episode_metrics"]
        print(
            f"{info['virtual_time']}  equity {info['equity']:9.2f}  fees {info['fees_paid']:6.2f}  "
            f"{metrics['total_trades']} trades  Sharpe {metrics['sharpe_ratio']:.2f}"
        )
        observation, info = market.reset()
print(f"{info['virtual_time']}  equity {info['equity']:9.2f}  after {info['step']} steps of {info['total_steps']}")
