"""Buys and sales have one pair of colours everywhere, which every vision tells apart."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import tradeready_gym
from tradeready_gym.rendering import palette
from tradeready_gym.rendering.report.style import STYLE

DASHBOARD = Path(tradeready_gym.__file__).parent / "platform" / "dashboard" / "static" / "css" / "dashboard.css"
# G. M. Machado, M. M. Oliveira and L. A. F. Fernandes, A Physiologically-based Model for Simulation of Color Vision
# Deficiency, 2009, at severity 1; the last row of matrices is a grey print
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
    "grey": [[0.2126, 0.7152, 0.0722]] * 3,
}
WHITE, CARD_AT_NIGHT = "#ffffff", "#191f27"


def linear(colour: str) -> NDArray[np.float64]:
    parts = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.asarray(np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4))


def lab(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE 1976 L*a*b* under D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(light, 0.0, 1.0) / (0.9505, 1.0, 1.089)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distances(one: str, other: str) -> dict[str, float]:
    """How far apart two colours are for each vision; a difference of 2.3 is the least that people see."""
    return {
        name: float(np.linalg.norm(lab(np.asarray(seen) @ linear(one)) - lab(np.asarray(seen) @ linear(other))))
        for name, seen in VISIONS.items()
    }


def contrast(one: str, other: str) -> float:
    """WCAG 2.2."""
    dark, light = sorted(float(linear(colour) @ (0.2126, 0.7152, 0.0722)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def pairs() -> list[tuple[str, ...]]:
    """The dashboard's colours of buys and sales, in light and at night."""
    return re.findall(r"--buy: (#\w{6}); --sell: (#\w{6});", DASHBOARD.read_text(encoding="utf-8"))


def test_buys_and_sales_have_the_same_colours_in_frames_reports_and_on_the_dashboard() -> None:
    light, night = pairs()
    assert light == (palette.BUY, palette.SELL)
    again = [re.search(rf'\[fill="{colour}"\] {{ fill: (#\w{{6}})', STYLE) for colour in light]
    assert [found[1] for found in again if found is not None] == list(night)
    script = (DASHBOARD.parents[1] / "js" / "candles.js").read_text(encoding="utf-8")
    assert '{ buy: colour("buy"), sell: colour("sell") }' in script


@pytest.mark.parametrize("night", [False, True])
def test_buys_and_sales_are_told_apart_by_every_vision_and_are_read_as_text(night: bool) -> None:
    buy, sell = pairs()[night]
    assert min(distances(buy, sell).values()) > 20
    assert min(contrast(colour, CARD_AT_NIGHT if night else WHITE) for colour in (buy, sell)) >= 4.5


def test_two_colours_of_one_lightness_are_found() -> None:
    found = distances("#06694c", "#99406f")
    assert found["normal"] > 60
    assert max(found["deuteranopia"], found["grey"]) < 15
    assert distances("#000000", "#ffffff")["grey"] == pytest.approx(100.0, abs=0.1)
