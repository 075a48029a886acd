"""PPO on our vector adapter with the defaults of `StableBaselinesTradingStrategy`; prints one JSON line a seed.

python train_ours.py FOLDER STEPS SEEDS      writes the candles and one random episode to FOLDER first
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.features import DEFAULT_FEATURES, FeaturePipeline
from tradeready_gym.market.worlds import trend
from tradeready_gym.strategies import StableBaselinesTradingStrategy
from tradeready_gym.strategies.native import TradingVectorEnvironment

BARS, WINDOW = 10_000, 30


def environment(seed: int) -> TradingEnvironment:
    """Positions 0 and 1, log returns, no costs: what Gym-Trading-Env does by default."""
    return TradingEnvironment(
        data=trend(bars=BARS, seed=seed),
        action_scheme="target_position",
        reward_scheme="log_return",
        feature_pipeline=DEFAULT_FEATURES,
        lookback_window=WINDOW,
        fee_rate=0.0,
        slippage="none",
    )


def hand_over(folder: Path) -> None:
    """Candles and features of the training and the test world, and the equity after a thousand random actions."""
    for name, seed in (("training", 0), ("test", 1)):
        env = environment(seed)
        candles, first = env.engine.market.candles, int(env.engine.segments[0]["first_row"])
        actions = np.random.default_rng(seed).integers(2, size=1_000)
        env.reset(seed=0)
        equity = [env.step(int(action))[4]["equity"] for action in actions]
        features = FeaturePipeline(["candles"]).build(candles)[0]
        np.savez(
            folder / f"{name}.npz",
            times=candles.times,
            first=first,
            features=features,
            actions=actions,
            growth=np.array(equity) / 10_000.0,
            **{column: getattr(candles, column)[0] for column in ("open", "high", "low", "close", "volume")},
        )


def main(folder: Path, steps: int, seeds: int) -> None:
    """Train and test once per seed."""
    hand_over(folder)
    spent = 0.0
    plain_step = TradingVectorEnvironment.step

    def timed_step(self: TradingVectorEnvironment, actions: object) -> object:
        nonlocal spent
        begun = time.perf_counter()
        result = plain_step(self, actions)
        spent += time.perf_counter() - begun
        return result

    TradingVectorEnvironment.step = timed_step  # type: ignore[method-assign, assignment]
    StableBaselinesTradingStrategy(environment(0), track_training=False).train(16_384)  # compiled, imported, allocated
    for seed in range(seeds):
        agent = StableBaselinesTradingStrategy(environment(0), seed=seed, track_training=False)
        spent, begun = 0.0, time.perf_counter()
        agent.train(steps)
        taken = time.perf_counter() - begun
        share = spent / taken
        tested = agent.evaluate(environment(1)).episodes[0]
        result = {
            "steps": agent.trained_steps,
            "steps_per_second": agent.trained_steps / taken,
            "environment_share": share,
            "log_growth": float(np.log(tested.net_worth[-1] / tested.net_worth[0])),
        }
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
