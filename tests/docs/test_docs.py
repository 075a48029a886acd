"""The documentation runs: its Python blocks are executed, its links resolve, and every public name is in it."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import gymnasium
import pytest

import tradeready_gym
import tradeready_gym.envs
from tradeready_gym import registration

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ROOMS = (
    "actions",
    "envs",
    "evaluation",
    "exchanges",
    "features",
    "live",
    "market",
    "rendering",
    "rewards",
    "testing",
    "tracking",
    "wrappers",
)
BLOCK = re.compile(r"(<!-- not run: [^>]+ -->\n)?```python\n(.*?)```", re.DOTALL)
NOT_RUN_AT_MOST = 4


def python_blocks(page: Path) -> list[tuple[bool, str]]:
    """(is run, code) of every Python block of a page."""
    return [(not skipped, code) for skipped, code in BLOCK.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_block_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    for runs, code in python_blocks(page):
        if runs:
            exec(compile(code, page.name, "exec"), names)


def test_few_blocks_are_not_run() -> None:
    skipped = [code for page in PAGES for runs, code in python_blocks(page) if not runs]

    assert len(skipped) <= NOT_RUN_AT_MOST


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_resolve(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]

    assert [target for target in targets if target and not (page.parent / target).exists()] == []


def test_the_readme_counts_the_examples() -> None:
    numbers = ("Ten", "Eleven", "Twelve", "Thirteen", "Fourteen", "Fifteen")
    (said,) = re.findall(r"(\w+) short programs are in \[examples\]", PAGES[0].read_text(encoding="utf-8"))

    assert numbers.index(said) + 10 == len(list((ROOT / "examples").glob("*.py")))


def test_tracking_is_on_with_an_id_and_off_for_the_classes_as_the_page_says() -> None:
    classes = (tradeready_gym.TradingEnvironment, tradeready_gym.envs.TradingVectorEnvironment)
    ids = (registration._documented, registration.make_live_environment)
    defaults = [inspect.signature(made).parameters["track_training"].default for made in (*ids, *classes)]

    assert defaults == [True, True, False, False]
    assert "| True with an id, False for the classes;" in (ROOT / "docs" / "environments.md").read_text(
        encoding="utf-8"
    )


def test_every_documented_id_is_registered() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"TradeReady-[A-Za-z-]+-v0", text))

    assert named == {name for name in gymnasium.registry if name.startswith("TradeReady-")}


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_every_public_name_is_explained_and_in_the_reference(room: str) -> None:
    module = importlib.import_module(f"tradeready_gym.{room}") if room else tradeready_gym
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    public = [name for name in module.__all__ if not name.startswith("__")]
    things = {name: getattr(module, name) for name in public}

    assert [name for name in public if not re.search(rf"`{name}\b", reference)] == []
    assert [
        n for n, thing in things.items() if (inspect.isclass(thing) or inspect.isfunction(thing)) and not thing.__doc__
    ] == []
