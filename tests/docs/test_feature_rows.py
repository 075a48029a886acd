"""The page of feature rows is complete, and every test that it names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "feature-rows.md"
FAMILIES = {"E": 17, "X": 17, "F": 12, "A": 7, "R": 5, "T": 8, "C": 2, "O": 5, "D": 2, "V": 2, "U": 26, "P": 10}
IDS = [f"{letter}{number}" for letter, count in FAMILIES.items() for number in range(1, count + 1)]
ROW = re.compile(r"^\| ([A-Z][0-9]+) \| ([^|]+) \| ([^|]*)\| ([^|]*)\|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
SHORTEST_SENTENCE = 30


def rows_of(text: str) -> list[tuple[str, str, str]]:
    """(id, sentence, tests) of every row of the page's tables."""
    return [(row, sentence.strip(), tests.strip()) for row, _, sentence, tests in ROW.findall(text)]


def names_in(path: Path) -> set[str]:
    """The names of the test functions of a file; none if there is no such file."""
    if not path.exists():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def missing_or_repeated(text: str) -> list[str]:
    """What is not exactly once on the page, and what should not be there."""
    found = [row for row, _, _ in rows_of(text)]
    return [row for row in dict.fromkeys(IDS + found) if found.count(row) != 1 or row not in IDS]


def named_but_absent(text: str, tests: Path) -> list[str]:
    """`row: path::name` of every test that is named and is not in the named file below `tests`."""
    return [
        f"{row}: {path}::{name}"
        for row, _, named in rows_of(text)
        for path, name in NAMED.findall(named)
        if name not in names_in(tests / path)
    ]


def rows_without_proof_or_reason(text: str) -> list[str]:
    """Rows that name no test and say too little about why."""
    return [row for row, said, named in rows_of(text) if not NAMED.search(named) and len(said) < SHORTEST_SENTENCE]


def test_every_row_is_there_exactly_once() -> None:
    assert missing_or_repeated(PAGE.read_text(encoding="utf-8")) == []


def test_every_named_test_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert len(NAMED.findall(text)) > len(IDS)
    assert text.count("::") == len(NAMED.findall(text))
    assert named_but_absent(text, ROOT / "tests") == []


def test_every_row_has_a_test_or_a_reason() -> None:
    assert rows_without_proof_or_reason(PAGE.read_text(encoding="utf-8")) == []


# ---- each check on a small page with a defect ----

REASON = "Left out, since nobody has ever been able to say what it was for."


def page(*rows: tuple[str, str, str]) -> str:
    lines = [f"| {row} | something | {sentence} | {tests} |" for row, sentence, tests in rows]
    return "\n".join(["# Rows", "", "| row | what | here | tests |", "|---|---|---|---|", *lines, ""])


def test_a_missing_a_repeated_and_a_foreign_row_are_found() -> None:
    whole = [(row, REASON, "none") for row in IDS]

    assert missing_or_repeated(page(*whole)) == []
    assert missing_or_repeated(page(*whole[1:])) == ["E1"]
    assert missing_or_repeated(page(*whole, ("U26", REASON, "none"))) == ["U26"]
    assert missing_or_repeated(page(*whole, ("Z1", REASON, "none"))) == ["Z1"]


@pytest.mark.parametrize(
    ("named", "wrong"),
    [
        ("a/test_here.py::test_there_is_one", False),
        ("a/test_here.py::test_there_is_none", True),
        ("a/test_here.py::not_a_test", True),
        ("a/test_nowhere.py::test_there_is_one", True),
    ],
)
def test_a_test_that_does_not_exist_is_found(named: str, wrong: bool, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "test_here.py").write_text("def test_there_is_one(): ...\ndef not_a_test(): ...\n")

    assert named_but_absent(page(("E1", "Yes.", f"`{named}`")), tmp_path) == ([f"E1: {named}"] if wrong else [])


def test_a_row_that_says_nothing_is_found() -> None:
    text = page(("E1", "Not yet.", "none"), ("E2", "", ""), ("E3", REASON, "none"), ("E4", "", "`a/test_x.py::test_y`"))

    assert rows_without_proof_or_reason(text) == ["E1", "E2"]
