"""A bundle is saved whole or not at all, and refuses whatever is not what it says."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tradeready_gym.agents import AgentBundle, AgentInterface, DataIdentity
from tradeready_gym.errors import ConfigurationError, StoreError
from tradeready_gym.features import FeaturePipeline
from tradeready_gym.market.worlds import trend

INTERFACE = AgentInterface(
    symbols=("BTCUSDT",),
    timeframe="1h",
    lookback_window=10,
    window=("returns",),
    account=("position",),
    features=(("returns", "0123456789abcdef"),),
    observation="flat",
    action_space="Discrete(3)",
    action_scheme="HoldBuySell()",
    steps_per_action=1,
    account_type="spot",
)


def bundle(steps: int = 100) -> AgentBundle:
    return AgentBundle(
        kind="test",
        policy={"layers": [4, 4]},
        interface=INTERFACE,
        composition={"fee_rate": 0.001},
        data=(DataIdentity.from_candles(trend(bars=50, seed=0)),),
        trained_steps=steps,
        seeds={"strategy": 7},
        learned_from=({"start": "2021-01-01T00:00:00Z"},),
        pipeline=FeaturePipeline(["returns", "position"]),
        normaliser={"count": 3.0},
    )


def files(text: str) -> dict[str, Any]:
    return {
        "weights.bin": lambda path: path.write_text(text, encoding="utf-8"),
        "state.bin": lambda path: path.write_text(text * 2, encoding="utf-8"),
    }


def content(folder: Path) -> Mapping[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    folder = bundle().save(tmp_path / "agent", files("a"))
    found = AgentBundle.load(folder, "test")
    assert found.interface == INTERFACE
    assert found.data == bundle().data
    assert found.pipeline == FeaturePipeline(["returns", "position"])
    assert (found.trained_steps, dict(found.seeds), dict(found.policy)) == (100, {"strategy": 7}, {"layers": [4, 4]})
    assert found.file("weights.bin") == folder / "weights.bin"
    assert found.file("absent.bin") is None
    assert found.versions["python"]


def test_the_data_are_named_by_their_hash_and_their_first_candle() -> None:
    candles = trend(bars=50, seed=0)
    identity = DataIdentity.from_candles(candles)
    assert (identity.fingerprint, identity.anchor) == (candles.fingerprint, "2021-01-01T00:00:00Z")
    assert identity != DataIdentity.from_candles(trend(bars=50, seed=1))


def test_a_bundle_that_is_incomplete_or_damaged_is_refused_by_the_name_of_the_file(tmp_path: Path) -> None:
    folder = bundle().save(tmp_path / "agent", files("a"))
    (folder / "state.bin").write_text("ab")
    with pytest.raises(StoreError, match="state.bin is damaged or of another save"):
        AgentBundle.load(folder, "test")
    (folder / "state.bin").unlink()
    with pytest.raises(StoreError, match=r"incomplete, strategy\.json lists state\.bin"):
        AgentBundle.load(folder, "test")
    (folder / "strategy.json").unlink()
    with pytest.raises(StoreError, match=r"there is no strategy\.json"):
        AgentBundle.load(folder, "test")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 1}, r"has format 1; this version reads format 2.*train it again"),
        ({"kind": "other"}, "kind 'other'.*'test' was asked for"),
        ({"files": {}}, "lists no files"),
        ({"files": {"../weights.bin": "0"}}, "incomplete"),
        ({"interface": {}}, "KeyError"),
        ({"pipeline": {"market": [{"class": "gone:Gone", "fields": {}}], "account": []}}, "cannot be made again"),
    ],
)
def test_a_card_that_is_not_ours_is_refused_by_what_is_wrong(
    tmp_path: Path, change: Mapping[str, Any], said: str
) -> None:
    folder = bundle().save(tmp_path / "agent", files("a"))
    card = json.loads((folder / "strategy.json").read_text())
    (folder / "strategy.json").write_text(json.dumps({**card, **change}))
    with pytest.raises(StoreError, match=said):
        AgentBundle.load(folder, "test")


def test_a_strategy_of_the_first_format_is_refused_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "strategy.json").write_text('{"algorithm": "x:PPO", "versions": {"tradeready-gym": "0.0.9"}}')
    with pytest.raises(StoreError, match=r"format 1.*tradeready-gym 0\.0\.9"):
        AgentBundle.load(tmp_path, "test")


def test_what_else_lies_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    bundle().save(tmp_path, files("a"))
    bundle(200).save(tmp_path, files("b"))
    assert content(tmp_path).keys() == {"notes.txt", "strategy.json", "weights.bin", "state.bin"}


@pytest.mark.parametrize("survived", range(8))
def test_whenever_the_writer_stops_the_folder_holds_the_old_bundle_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    bundle(100).save(tmp_path, files("a"))
    calls = 0
    replace_file, write_text = os.replace, Path.write_text

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls > survived:
            raise KeyboardInterrupt

    def replaced(source: Any, target: Any) -> None:
        stop()
        replace_file(source, target)

    def written(self: Path, *arguments: Any, **named: Any) -> int:
        stop()
        return write_text(self, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replaced)
        patch.setattr(Path, "write_text", written)
        try:
            bundle(200).save(tmp_path, files("b"))
        except KeyboardInterrupt:
            interrupted = True
        else:
            interrupted = False
    found = AgentBundle.load(tmp_path, "test")
    assert interrupted == (survived < 7)
    assert found.trained_steps == (200 if survived >= 4 else 100)
    assert (tmp_path / "weights.bin").read_text() == ("b" if survived >= 4 else "a")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"symbols": ("A", "B")}, "symbols = .*BTCUSDT.*; the environment has .*'A', 'B'"),
        ({"lookback_window": 20}, "lookback_window = 10; the environment has 20"),
        ({"window": ("rsi_14",), "features": (("rsi_14", "x"),)}, "window = .*returns.*rsi_14"),
        ({"account": ()}, "account = .*position"),
        ({"features": (("returns", "fedcba9876543210"),)}, "feature 'returns' of other parameters, or fitted"),
        ({"observation": "dict"}, "observation = flat; the environment has dict"),
        ({"timeframe": "4h"}, "timeframe = 1h; the environment has 4h, in which its actions mean something else"),
        ({"action_scheme": "HoldBuySell(0.5)"}, "its actions mean something else"),
        ({"steps_per_action": 4}, "steps_per_action = 1; the environment has 4"),
        (
            {"account_type": "margin"},
            "account_type = spot; the environment has margin, in which its actions mean something",
        ),
        ({"action_space": "Discrete(4)"}, r"action_space = Discrete\(3\); the environment has Discrete\(4\)"),
    ],
)
def test_another_interface_is_refused_by_what_differs(change: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        INTERFACE.refuse(replace(INTERFACE, **change))


def test_a_market_of_another_name_and_features_that_nobody_can_compare_are_accepted() -> None:
    other = replace(INTERFACE, symbols=("ETHUSDT",), features=(("returns", ""),), account_type="")
    INTERFACE.refuse(other)
    assert AgentInterface.from_plain(json.loads(json.dumps(other.as_plain()))) == other
