"""A value of one's own is seen from the close of the candle in whose row it stands, and no earlier."""

import numpy as np
import pandas as pd

from small_worlds import START, small_env


def test_a_value_published_inside_a_candle_is_seen_at_its_close() -> None:
    times = pd.date_range(START, periods=24, freq="h")
    frame = pd.DataFrame({name: np.full(24, 100.0) for name in ("open", "high", "low", "close", "volume")}, index=times)
    published = pd.Timestamp("2024-01-01T10:30:00Z")
    frame["rate"] = np.where(times + pd.Timedelta(hours=1) > published, 5.25, 5.0)
    env = small_env(frame, feature_pipeline=["rate"], lookback_window=1)
    observation, info = env.reset(seed=0)
    seen = {info["virtual_time"]: float(observation[0])}
    for _ in range(20):
        observation, _, _, _, info = env.step(0)
        seen[info["virtual_time"]] = float(observation[0])

    first = min(time for time, value in seen.items() if value == 5.25)
    assert first == "2024-01-01T11:00:00Z"
    assert seen["2024-01-01T10:00:00Z"] == 5.0
