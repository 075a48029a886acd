"""Files of deployments that a disk has damaged: named by the command line, which shows the others all the same."""

import json
from pathlib import Path

import pytest
from test_daily_loss import falling, played, worker

from tradeready_gym.cli import main
from tradeready_gym.errors import StoreError
from tradeready_gym.live import Deployment
from tradeready_gym.live.expectation import CURVE, Watch

STATUS = {
    "state": "stopped", "problem": None, "virtual_time": "2023-01-01T00:00:00Z", "step": 3, "equity": 9_876.5, "roi_pct": -1.2,
    "cash": 1.0, "positions": {"BTCUSDT": 0.5}, "open_orders": 0, "feed": {"state": "closed"},
}  # fmt: skip
# what is cut off, no text, no object, and objects of something else
WRONG = (
    '{"state": "stop',
    "\xff\x00",
    "[]",
    '"running"',
    "{}",
    '{"state": 5}',
    '{"state": "stopped", "equity": "much"}',
)
ODD = (*WRONG, '{"state": "stopped", "positions": [1]}', '{"state": "stopped", "positions": {"BTCUSDT": "half"}}')


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two deployments that have traded."""
    monkeypatch.setenv("TRADEREADY_HOME", str(tmp_path))
    for name in ("one", "two"):
        made = Deployment(name, "m", 0, ("BTCUSDT",), "1h", "replay:sample:2023-01-01T00:00:00Z:max")
        made.save()
        (made.folder / "status.json").write_text(json.dumps(STATUS), encoding="utf-8")
    return tmp_path / "live"


def listed(capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["live", "list"])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_what_is_whole_is_listed_without_a_complaint(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = listed(capsys)
    assert (code, err, out.count("9,876.50")) == (0, "", 2)


@pytest.mark.parametrize("file", ["card.json", "status.json"])
@pytest.mark.parametrize("text", ODD)
def test_a_damaged_file_is_named_with_what_to_do_and_the_others_are_listed(
    home: Path, capsys: pytest.CaptureFixture[str], file: str, text: str
) -> None:
    (home / "one" / file).write_text(text, encoding="latin-1")
    code, out, err = listed(capsys)
    assert (code, out.count("9,876.50"), out.count("DAMAGED")) == (1, 1, 1)
    assert err.startswith(f"error: one: {home / 'one' / file} is damaged (")
    assert ("remove this file, and resume" if file == "status.json" else "Put a copy of it back") in err
    assert err.count("\n") == 1
    for command in ("stop", "flatten", "resume", "remove"):
        assert main(["live", command, "one"]) == 1
        assert f"{file} is damaged" in capsys.readouterr().err


def test_what_the_message_says_to_do_helps(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "one" / "status.json").write_text("[]", encoding="utf-8")
    (home / "one" / "status.json").unlink()
    code, out, err = listed(capsys)
    assert (code, err) == (0, "")
    assert "never started" in out
    assert main(["live", "remove", "one"]) == 0


def test_a_name_that_there_is_not_is_said_as_such_beside_a_damaged_card(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "one" / "card.json").write_text("[]", encoding="utf-8")
    assert main(["live", "stop", "three"]) == 1
    assert "no deployment 'three'" in (said := capsys.readouterr().err)
    assert "there are: one, two" in said


@pytest.mark.parametrize(
    "text",
    [
        '{"begin": 1}',
        '{"begin": 1, "base": 1, "every": 1, "points": [], "side": "inside", "since": 1, "was_outside": false}',
        '{"begin": 1, "base": 0, "every": 1, "points": [[0, 1]], "side": "inside", "since": 1, "was_outside": false}',
        '{"begin": 1, "base": 1, "every": 1, "points": [[0, "x"]], "side": "inside", "since": 1, "was_outside": false}',
    ],
)
def test_a_damaged_curve_is_refused_before_an_agent_trades_beside_it(home: Path, text: str) -> None:
    (home / "one" / CURVE).write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match=r"equity\.json is damaged.*the account goes on"):
        Watch(home / "one", 3_600_000_000)


def test_a_curve_goes_on_where_its_file_ends(home: Path) -> None:
    watch = Watch(home / "one", 60)
    watch.begin(0, 100.0)
    watch.see(60, 101.0)
    again = Watch(home / "one", 60)
    again.begin(120, 50.0)
    assert again.see(120, 102.0)["candles"] == 2


@pytest.mark.parametrize("left", [None, b"", b"\x00" * 64], ids=["gone", "empty", "zeros"])
def test_an_account_whose_journal_is_lost_does_not_begin_anew_in_silence(left: bytes | None, tmp_path: Path) -> None:
    candles = falling(90)
    played(worker(tmp_path, candles, 40), 3)
    path = tmp_path / "one" / "session.journal"
    path.unlink()
    if left is not None:
        path.write_bytes(left)
    for _ in range(2):
        again = worker(tmp_path, candles, 40)
        with pytest.raises(StoreError, match=r"has no account, and the decisions beside it go on until 2024-01-02T18"):
            again.run(3)
        again.environment.close()
