"""The moment as text."""

import numpy as np
from rendering_scenes import HOUR, START, a_scene, changed, nothing_yet

from tradeready_gym.rendering import SceneFill, to_text


def test_one_symbol_is_one_line_with_all_that_matters() -> None:
    scene = a_scene(fills=(SceneFill(START + 59 * HOUR, 0, 1, 50_123.456),))
    scene = changed(
        scene, close=np.full((1, 60), 40_000.0), equity=np.full(31, 12_500.0), position_share=np.full((1, 31), 0.8)
    )
    line = to_text(scene)
    assert "\n" not in line
    assert line.split("  ")[0] == "2025-01-03 12:00 UTC"
    for part in ("BTCUSDT", "40,000.00", "0.25 ( 80.00 %)", "2,500.00", "12,500.00", "+25.00 %", "bought at 50,123.46"):
        assert part in line, part


def test_several_symbols_are_a_block() -> None:
    lines = to_text(a_scene(("BTCUSDT", "ETHUSDT", "SOLUSDT"))).splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("2025-01-03 12:00 UTC  cash")
    assert [line.split()[0] for line in lines[1:]] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]


def test_columns_of_successive_moments_stand_under_one_another() -> None:
    first, second = to_text(a_scene(seed=1)), to_text(a_scene(seed=2))
    assert first.index("equity") == second.index("equity")
    assert len(first) == len(second)


def test_a_sale_is_told_from_a_purchase() -> None:
    assert "sold at 51,000.00" in to_text(a_scene(fills=(SceneFill(START + 59 * HOUR, 0, -1, 51_000.0),)))


def test_fills_of_earlier_candles_are_not_repeated() -> None:
    assert "bought" not in to_text(a_scene(fills=(SceneFill(START + 58 * HOUR, 0, 1, 51_000.0),)))


def test_the_first_moment_without_a_candle_can_be_said() -> None:
    assert to_text(nothing_yet()).startswith("before the first candle  BTCUSDT")
