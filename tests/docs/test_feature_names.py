"""The list of feature names on the page of environments is that of the registry, numbers included."""

import re
from pathlib import Path

import pytest

from tradeready_gym.features import KNOWN_NAMES, parse_feature
from tradeready_gym.features.account import ACCOUNT_CODES, account_width

PAGE = Path(__file__).resolve().parents[2] / "docs" / "environments.md"
ROW = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \| (\d+) \| (\d+) \| ([^|]+) \|$", re.MULTILINE)
SHORTEST_LINE = 15

Row = tuple[str, int, int, str]


def listed(text: str) -> list[Row]:
    """(name, columns, warm-up, what it is) of every name in the list."""
    return [
        (name, int(columns), int(warmup), said.strip())
        for names, columns, warmup, said in ROW.findall(text)
        for name in re.findall(r"`(\w+)`", names)
    ]


def mistakes(rows: list[Row]) -> list[str]:
    """What is listed twice, not at all, or with other numbers than the feature has, and lines that say nothing."""
    names = [row[0] for row in rows]
    wrong = [
        name for name in dict.fromkeys([*KNOWN_NAMES, *names]) if names.count(name) != 1 or name not in KNOWN_NAMES
    ]
    for name, columns, warmup, said in rows:
        if (
            name not in wrong
            and name in KNOWN_NAMES
            and (len(said) < SHORTEST_LINE or numbers_of(name) != (columns, warmup))
        ):
            wrong.append(name)
    return wrong


def numbers_of(name: str) -> tuple[int, int]:
    """Columns and warm-up of a known name, for one symbol."""
    if name in ACCOUNT_CODES:
        return account_width([name], 1), 0
    found = parse_feature(name)
    return found.width, found.warmup_bars


def test_every_name_is_listed_once_with_its_columns_and_its_warmup() -> None:
    assert mistakes(listed(PAGE.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        ("| `returns` |", "| `retuns` |", "returns"),
        ("| `gap` |", "| `volume` |", "volume"),
        ("| `macd` | 3 |", "| `macd` | 2 |", "macd"),
        ("| `rsi_14` | 1 | 140 |", "| `rsi_14` | 1 | 14 |", "rsi_14"),
        ("| volume as it is |", "| volume |", "volume"),
    ],
)
def test_a_planted_mistake_is_found(before: str, after: str, name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(before) == 1
    assert name in mistakes(listed(text.replace(before, after)))


@pytest.mark.parametrize("name", ["talib:STOCH(fastk_period=5, output=slowk)", "rsi_14@4h"])
def test_the_forms_below_the_list_are_features(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")
    assert parse_feature(name).width == 1
