"""How long a fresh process takes: to import, and to its first step with a warm cache."""

import json
import statistics
import subprocess
import sys
import time

BASE = "import gymnasium, numpy"
IMPORT = "import tradeready_gym"
FIRST_STEP = (
    "import gymnasium as gym, tradeready_gym\n"
    "env = gym.make('TradeReady-BTC-v0', data='sample', track_training=False)\n"
    "env.reset(seed=0); env.step(1)"
)


def seconds(code: str, times: int) -> float:
    """Median wall time of fresh interpreters that run `code`."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def main() -> None:
    """Print JSON with the three medians; the first run of each only warms the disk."""
    for code in (BASE, IMPORT, FIRST_STEP):
        seconds(code, 1)
    json.dump(
        {"base_s": seconds(BASE, 9), "import_s": seconds(IMPORT, 9), "first_step_s": seconds(FIRST_STEP, 5)}, sys.stdout
    )


if __name__ == "__main__":
    main()
