"""A trained agent is loaded by the class that saved it, whatever it learned with."""

import json
from pathlib import Path
from typing import Any

import pytest

from tradeready_gym.errors import StoreError
from tradeready_gym.strategies import rllib, stable_baselines
from tradeready_gym.strategies.experiment import find_folder
from tradeready_gym.strategies.loading import CARD, load_agent


def card(folder: Path, kind: str) -> Path:
    folder.mkdir()
    (folder / CARD).write_text(json.dumps({"kind": kind}))
    return folder


@pytest.mark.parametrize("module", [rllib, stable_baselines])
def test_the_class_that_saved_it_loads_it(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    name = "RLlibTradingStrategy" if module is rllib else "StableBaselinesTradingStrategy"
    monkeypatch.setattr(getattr(module, name), "load", lambda *given, **named: told.append((given, named)))
    folder = card(tmp_path / "one", module.KIND)
    load_agent(folder, None, allow=("data",))
    assert told == [((folder, None), {"allow": ("data",)})]


def test_a_kind_that_nothing_here_knows_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"of kind 'abacus'; 'stable-baselines3' or 'rllib' can be put to work"):
        load_agent(card(tmp_path / "one", "abacus"))
    with pytest.raises(StoreError):
        load_agent(tmp_path / "nothing")


def test_a_strategy_without_its_experiment_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="without the experiment that it belongs to"):
        find_folder(card(tmp_path / "one", rllib.KIND))
