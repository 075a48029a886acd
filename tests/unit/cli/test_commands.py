"""The command line: what it prints, what it leaves on disk, and how it fails."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tradeready_gym
from tradeready_gym.cli import main
from tradeready_gym.market import CandleStore, Span, parse_time
from tradeready_gym.market.worlds import trend
from tradeready_gym.rewards import REWARD_SCHEMES
from tradeready_gym.strategies import BuyAndHold, Flat, rllib
from tradeready_gym.strategies.algorithms import ALGORITHMS
from tradeready_gym.strategies.experiment import Experiment
from tradeready_gym.strategies.trials import TrialStore
from tradeready_gym.tracking import list_runs


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of this test, but for compiled code."""
    import os

    place = tmp_path / "home"
    place.mkdir()
    (place / "compiled").symlink_to(Path(os.environ["TRADEREADY_HOME"]) / "compiled", target_is_directory=True)
    monkeypatch.setenv("TRADEREADY_HOME", str(place))
    return place


def write_csv(path: Path, bars: int = 700, seed: int = 0) -> Path:
    candles = trend(bars=bars, seed=seed)
    rows = np.column_stack(
        [candles.times // 1_000, candles.open[0], candles.high[0], candles.low[0], candles.close[0], candles.volume[0]]
    )
    lines = ["timestamp,open,high,low,close,volume"]
    lines += [f"{int(row[0])}," + ",".join(repr(float(value)) for value in row[1:]) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def without_weights(experiment: Experiment, folder: Path) -> list[str]:
    """Two runs of it, whose agents are whatever `RLlibTradingStrategy.load` gives."""
    span = Span(parse_time("2021-01-02T00:00:00Z"), parse_time("2021-01-22T00:00:00Z"))
    for name in ("one", "two"):
        experiment.save(folder / name, trained_on=span)
        place = experiment.folder_of(folder / name, 0)
        place.mkdir()
        (place / "strategy.json").write_text(json.dumps({"kind": rllib.KIND}))
    return [str(folder / name) for name in ("one", "two")]


def test_version_names_this_package_and_what_it_stands_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    shown = capsys.readouterr().out
    assert f"tradeready-gym {tradeready_gym.__version__}" in shown
    assert f"numpy {np.__version__}" in shown


def test_a_mistake_is_one_message_on_stderr_and_exit_code_1_without_a_traceback() -> None:
    command = [sys.executable, "-m", "tradeready_gym.cli", "evaluate", "nothing-of-this-name"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: no experiment 'nothing-of-this-name'")
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_version_starts_without_the_engine_and_the_learners() -> None:
    program = (
        "import sys; from tradeready_gym.cli import main; main(['version']); "
        "sys.exit(bool({'torch', 'numba', 'duckdb'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (["train", "TradeReady-BTC-v1"], "Did you mean 'TradeReady-BTC-v0'"),
        (["train", "--data", "no-such-file.csv"], "neither a file nor a directory"),
        (["train", "ETHUSDT", "--data", "sample"], "packaged sample holds no other"),
        (["train", "--data", "sample", "--features", "rsj_14"], "unknown feature 'rsj_14'"),
        (["train", "--data", "sample", "--seeds", "0"], "--seeds must be at least 1"),
        (["walk-forward", "--data", "sample", "--embargo", "-1"], "embargo must be a whole number of at least 0"),
        (["walk-forward", "--data", "sample", "--purge", "-3"], "purge must be a whole number of at least 0"),
        (["walk-forward", "--data", "sample", "--folds", "0"], "folds must be a whole number of at least 1"),
        (["train", "--data", "sample", "--end", "2030-01-01T00:00:00Z"], "2024-01-01T00:00:00Z"),
        (["train", "--context", "no-such-file.yaml"], "the context no-such-file.yaml does not exist"),
        (
            ["data", "download", "BTCUSDT", "--start", "2024-02-01T00:00:00Z", "--end", "2024-01-01T00:00:00Z"],
            "end must",
        ),
        (["data", "import", "no-such-file.csv", "--symbol", "BTCUSDT"], "does not exist"),
        (["warm", "--actions", "hold"], "unknown action scheme 'hold'"),
    ],
)
def test_wrong_arguments_say_what_was_wrong_and_leave_nothing(
    tokens: list[str], said: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tokens) == 1
    error = capsys.readouterr().err
    assert said in error
    assert not (home / "models").exists()
    assert not (home / "candles").exists()


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (["train", "--steps", "0"], "--steps must be at least 1; got 0"),
        (["train", "--algorithm", "PPPO"], "Did you mean 'PPO'"),
        (["walk-forward", "--algorithm", "PPPO"], "Did you mean 'PPO'"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_made(
    tokens: list[str], said: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Experiment, "make", lambda *_: pytest.fail("an environment was made"))
    assert main([*tokens, "--data", "sample"]) == 1
    assert said in capsys.readouterr().err
    assert not (home / "models").exists()


@pytest.mark.parametrize("command", ["train", "walk-forward"])
def test_help_names_every_algorithm_and_every_reward(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([command, "--help"])
    words = set(re.findall(r"\w+", capsys.readouterr().out))
    assert {*ALGORITHMS, *REWARD_SCHEMES} <= words


def test_check_does_not_call_a_series_sound_that_lacks_candles_and_lists_ten_gaps(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write_csv(tmp_path / "mine.csv", bars=1201).read_text().splitlines()
    for share, step in ((0.01, 100), (0.02, 50)):
        kept = [line for row, line in enumerate(whole) if row < 2 or row == 1201 or row % step]
        (tmp_path / "holes.csv").write_text("\n".join(kept) + "\n")
        missing = len(whole) - len(kept)
        assert main(["data", "import", str(tmp_path / "holes.csv"), "--symbol", f"S{step}USDT"]) == 0
        assert share == round(missing / 1201, 2)
    capsys.readouterr()
    assert main(["data", "check"]) == 0
    told = capsys.readouterr().out
    assert "S100USDT 1h: sound, 1201 slots, 12 gaps (12 candles missing, 1 %)" in told
    assert "S50USDT 1h: INCOMPLETE, 2 % of its candles are missing, 1201 slots, 24 gaps" in told
    assert told.count("S50USDT 2021") == told.count("S100USDT 2021") == 10
    assert "14 more gaps" in told


def test_import_list_and_check_show_what_the_store_has(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "list"]) == 0
    assert "is empty" in capsys.readouterr().out
    file = write_csv(tmp_path / "mine.csv", bars=48)
    assert main(["data", "import", str(file), "--symbol", "mineusdt", "--timeframe", "1h"]) == 0
    assert "48 candles stored" in capsys.readouterr().out
    assert main(["data", "list"]) == 0
    shown = capsys.readouterr().out
    assert "MINEUSDT" in shown
    assert "2021-01-03T00:00:00Z" in shown
    assert main(["data", "check"]) == 0
    assert "MINEUSDT 1h: sound, 48 slots, 0 gaps" in capsys.readouterr().out
    (series,) = CandleStore().list()
    (series_file,) = (home / "candles" / series.symbol / "1h").glob("*.parquet")
    series_file.write_bytes(b"damaged")
    assert main(["data", "check"]) == 1
    assert "DAMAGED" in capsys.readouterr().out


def test_train_then_evaluate_print_an_honest_table(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_csv(tmp_path / "mine.csv")
    arguments = ["--data", str(file), "--lookback", "5", "--features", "returns,position", "--reward", "pnl"]
    cut = "2021-01-22T00:00:00Z"
    assert (
        main(["train", "BTCUSDT", *arguments, "--end", cut, "--steps", "2000", "--seeds", "2", "--label", "try"]) == 0
    )
    told = capsys.readouterr()
    folder = home / "models" / "try"
    assert f"saved in {folder}" in told.out
    assert "PPO, seed 1: 2,000 of 2,000" in told.err
    card = json.loads((folder / "experiment.json").read_text())
    # by which the dashboard finds the agent of a run
    assert list(card["runs"]) == ["0", "1"]
    assert set(card["runs"].values()) == {run.run_id for run in list_runs()}
    assert (card["end"], card["seeds"], card["arguments"]["fee_rate"]) == (cut, [0, 1], 0.001)
    assert [run.strategy_label for run in list_runs()] == ["try", "try"]

    assert main(["evaluate", "try", "--random-seeds", "3"]) == 0
    told = capsys.readouterr()
    for row in ("PPO, seed 0", "PPO, seed 1", "Buy and hold", "Flat", "MA cross 20/50", "Random, 6 traders"):
        assert row in told.out
    assert f"Held out: PPO learned from {card['start']} .. {cut} only." in told.out
    assert "2 seeds, one market, one span: an anecdote, not a proof." in told.out
    assert "fee 0.10% of each fill" in told.out

    assert main(["evaluate", str(folder), "--start", card["start"], "--random-seeds", "2", "--no-record"]) == 0
    shown = capsys.readouterr().out
    assert "IN-SAMPLE" in shown
    # the report of what the agents had not seen is not replaced by that of what they learned from
    assert f"{folder / 'report.html'} is of another evaluation, and stays as it is." in shown
    assert not json.loads((folder / "report.json").read_text())["spans"]["in_sample"]
    (other,) = folder.glob("report-2021*.json")
    assert f"card:   {other}" in shown and other.with_suffix(".html").exists()
    span = Span(0, 2**62)
    # who is not counted has still seen what was looked at before: two seeds on the end, and the same two on the whole
    assert json.loads(other.read_text())["trials"]["count"] == 4
    assert len(TrialStore().known("BTCUSDT", span)) == 2

    shutil.copytree(folder, home / "models" / "other")
    capsys.readouterr()
    assert main(["compare", "try", "other", "--start", "2021-01-24T00:00:00Z", "--random-seeds", "2"]) == 0
    told = capsys.readouterr()
    assert "A seed of try returns more than one of other with probability 0.5" in told.out
    for row in (
        "Buy and hold",
        "Flat",
        "MA cross 20/50",
        "Random, 4 traders",
        "Random traders hold and trade as much as",
    ):
        assert told.out.count(row) == 2
    assert "Deflated Sharpe ratio of other, best seed: " in told.out
    assert "after 4 trials on this market and time." in told.out
    # a copy is the same agent, but this is another span
    assert len(TrialStore().known("BTCUSDT", span)) == 4


def test_a_context_says_what_was_not_typed_and_what_an_evaluation_changes(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = tmp_path / "context.json"
    market = {"data": str(write_csv(tmp_path / "mine.csv")), "fee_rate": 0}
    settings = {
        "exchanges": market,
        "features": ["returns", "position"],
        "lookback_window": 5,
        "rewards": {"name": "pnl"},
    }
    windows = {"episode_length": 50, "end_time": "2021-01-22T00:00:00Z"}
    context.write_text(json.dumps({**settings, "actions": {"position_size": 1.0}, **windows}))
    typed = ["--context", str(context), "--lookback", "4", "--steps", "500", "--label", "told"]
    assert main(["train", *typed]) == 0
    card = json.loads((home / "models" / "told" / "experiment.json").read_text())
    assert (card["arguments"]["fee_rate"], card["arguments"]["lookback_window"]) == (0, 4)
    assert card["arguments"]["action_scheme"] == {"name": "hold_buy_sell", "position_size": 1.0}
    assert card["end"] == "2021-01-22T00:00:00Z"
    capsys.readouterr()
    assert main(["evaluate", "told", "--random-seeds", "2"]) == 0
    told = capsys.readouterr().out
    assert "fee 0.00% of each fill" in told and "NOT AS IT WAS" not in told
    # of 700 candles, those after the training: no random window of 50
    played = json.loads((home / "models" / "told" / "report.json").read_text())
    assert {one["metrics"]["length"] for one in (*played["agents"], *played["baselines"])} == {700 - 21 * 24}
    costs = tmp_path / "the costs.yaml"
    costs.write_text("exchanges: {fee_rate: 0.003}\nstart_time: 2021-01-24T00:00:00Z\n")
    assert main(["evaluate", "told", "--random-seeds", "2", "--context", str(costs)]) == 0
    told = capsys.readouterr().out
    assert "fee 0.30% of each fill" in told and "2021-01-24T00:00:00Z .." in told
    assert "NOT AS IT WAS TRAINED: fee_rate was 0 and is 0.003." in told
    (changed,) = (home / "models" / "told").glob("report-20210124T000000Z-*-changed.json")
    assert f"--context '{costs}'" in json.loads(changed.read_text())["command"]
    assert json.loads((home / "models" / "told" / "report.json").read_text()) == played
    costs.write_text("actions: {name: target_position}")
    assert main(["evaluate", "told", "--context", str(costs)]) == 1
    assert "trained with action_scheme = HoldBuySell" in capsys.readouterr().err


def test_an_agent_is_judged_in_each_of_several_data_sets_and_compared_there(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rllib.RLlibTradingStrategy, "load", lambda place, environment, **allow: BuyAndHold(environment))
    files = [str(write_csv(tmp_path / f"{seed}.csv", seed=seed)) for seed in (0, 1)]
    experiment = Experiment("TradeReady-BTC-v0", {"data": files, "lookback_window": 5}, algorithm="RLlib")
    runs = without_weights(experiment, tmp_path)
    assert main(["evaluate", runs[0], "--random-seeds", "2"]) == 0
    told = capsys.readouterr().out
    assert "2 data sets, each played once by everybody: figures are medians over them." in told
    for row in (
        "Buy and hold, 2 episodes",
        "data set 1: Buy and hold",
        "data set 2: Buy and hold",
        "data set 2 of 2: ",
    ):
        assert row in told
    assert "1 seed, 2 data sets: an anecdote" in told
    card = json.loads((tmp_path / "one" / "report.json").read_text())
    returns = [one["agents"][0]["metrics"]["roi_pct"] for one in card["data_sets"]]
    assert len(set(returns)) == 2 and card["agents"][0]["metrics"]["roi_pct"] == pytest.approx(sum(returns) / 2)
    assert main(["compare", *runs, "--random-seeds", "2"]) == 0
    assert capsys.readouterr().out.count("data set 2: Buy and hold") == 4


def test_agents_of_every_library_are_evaluated_and_compared(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rllib.RLlibTradingStrategy, "load", lambda place, environment, **allow: Flat(environment))
    arguments = {"data": str(write_csv(tmp_path / "mine.csv")), "lookback_window": 5}
    experiment = Experiment("TradeReady-BTC-v0", arguments, algorithm="RLlib")
    runs = without_weights(experiment, tmp_path)
    assert main(["evaluate", runs[0], "--random-seeds", "2"]) == 0
    assert main(["compare", *runs, "--random-seeds", "2"]) == 0
    assert "A seed of one returns more than one of two with probability" in capsys.readouterr().out


def test_an_evaluation_on_revised_data_is_refused_until_it_is_allowed(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_csv(tmp_path / "mine.csv")
    arguments = ["--data", str(file), "--lookback", "5", "--features", "returns,position", "--reward", "pnl"]
    assert main(["train", "BTCUSDT", *arguments, "--steps", "500", "--label", "old"]) == 0
    lines = file.read_text().splitlines()
    fields = lines[100].split(",")
    lines[100] = ",".join([*fields[:5], str(2.0 * float(fields[5]))])
    file.write_text("\n".join(lines) + "\n")
    capsys.readouterr()
    assert main(["evaluate", "old", "--random-seeds", "2"]) == 1
    assert "they were revised" in capsys.readouterr().err
    assert main(["evaluate", "old", "--random-seeds", "2", "--allow", "data"]) == 0
    assert "--allow data" in json.loads((home / "models" / "old" / "report.json").read_text())["command"]


def test_walk_forward_leaves_a_page_a_card_and_its_trials(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_csv(tmp_path / "mine.csv")
    context = tmp_path / "context.json"
    context.write_text('{"lookback_window": 5}')
    tokens = [
        "walk-forward",
        "BTCUSDT",
        "--data",
        str(file),
        "--features",
        "returns,position",
        "--context",
        str(context),
    ]
    tokens += ["--reward", "pnl", "--steps", "300", "--seeds", "2", "--folds", "2", "--workers", "1"]
    assert main([*tokens, "--purge", "4", "--embargo", "6", "--label", "walk"]) == 0
    told = capsys.readouterr()
    folder = home / "walk-forward" / "walk"
    assert f"report: {folder / 'report.html'}" in told.out.replace("\n", "")
    assert "6 candles of embargo and 4 candles of purge" in told.out
    card = json.loads((folder / "report.json").read_text())
    assert (card["purge_candles"], card["embargo_candles"], len(card["folds"])) == (4, 6, 2)
    assert "--embargo 6" in card["command"] and "--rolling" not in card["command"]
    assert f"--context {context}" in card["command"]
    assert card["trials"]["count"] == 2
    for rule in ("Buy and hold", "Flat", "MA cross 20/50", "Random"):
        assert rule in card["all_tests"]["baselines"] and rule.split()[0] in told.out
    assert "What was learned from, and what was played" in (folder / "report.html").read_text()


def test_who_stops_in_the_second_seed_keeps_the_first(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tradeready_gym.strategies import StableBaselinesTradingStrategy

    learn = StableBaselinesTradingStrategy.train

    def interrupted(self: StableBaselinesTradingStrategy, steps: int, **arguments: Any) -> None:
        if self.seed == 1:
            raise KeyboardInterrupt
        learn(self, steps, **arguments)

    monkeypatch.setattr(StableBaselinesTradingStrategy, "train", interrupted)
    arguments = ["--data", str(write_csv(tmp_path / "mine.csv")), "--lookback", "5", "--features", "returns,position"]
    assert (
        main(["train", "BTCUSDT", *arguments, "--reward", "pnl", "--steps", "500", "--seeds", "3", "--label", "k"])
        == 130
    )
    assert json.loads((home / "models" / "k" / "experiment.json").read_text())["seeds"] == [0]


def test_warm_compiles_what_it_is_told_to(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["warm", "--actions", "hold_buy_sell", "--rewards", "pnl"]) == 0
    assert "kept on disk: 1 of 1" in capsys.readouterr().out
    assert list((home / "compiled").glob("*/*/*advance*.nbc"))
