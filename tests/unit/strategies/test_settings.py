"""What was typed beats a context, a context beats the defaults, and what comes out can be written down and made again."""

import json
from pathlib import Path
from typing import Any

import pytest

from tradeready_gym.actions import TargetPosition
from tradeready_gym.cli.options import experiment_arguments, given_arguments
from tradeready_gym.context import TradingContext
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.exchanges import MarginAccount
from tradeready_gym.strategies.experiment import Experiment
from tradeready_gym.strategies.settings import arguments_of_context, lay_arguments, read_context, under_context

WHOLE = """
base_instrument: USDT
instruments: BTC
exchanges: {data: sample, fee_rate: 0, slippage: {name: fixed, fraction: 0.0005}, account: {leverage: 2.0}}
actions: {name: target_position, positions: [-1.0, 0.0, 1.0]}
rewards: {name: weighted_sum, terms: [[{name: differential_sharpe, eta: 0.02}, 1.0], [turnover_penalty, 0.1]]}
features:
  standard: {feature: candles, start: 2021-03-01T00:00:00Z, end: 2022-01-01T00:00:00Z}
  rsi_14: {}
  position:
lookback_window: 4
max_loss: 0.5
start_time: 2022-02-01T00:00:00Z
end_time: 2022-03-01T00:00:00Z
"""


def options(**given: Any) -> dict[str, Any]:
    names = ("data", "timeframe", "lookback", "reward", "fee_rate", "starting_balance", "features", "position_size")
    return given_arguments(**{name: given.get(name) for name in (*names, "start", "end")})


def made_of(
    environment: str = "TradeReady-BTC-v0", context: Path | None = None, **given: Any
) -> tuple[str, dict[str, Any], str | None, str | None]:
    return experiment_arguments(environment, context, options(**given))


def written(folder: Path, settings: Any) -> Path:
    path = folder / "context.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return path


def test_without_a_context_the_defaults_are_what_they_were() -> None:
    identity, arguments, start, end = made_of()
    assert (identity, start, end) == ("TradeReady-BTC-v0", None, None)
    assert arguments == {
        "data": "auto", "timeframe": "1h", "lookback_window": 30, "reward_function": "log_return", "fee_rate": 0.001,
        "starting_balance": 10_000.0,
    }  # fmt: skip
    assert made_of("ethusdt", data="sample", features="rsi_14, position")[1].items() >= {
        "pairs": ["ETHUSDT"], "data": "sample", "observation_features": ["rsi_14", "position"],
    }.items()  # fmt: skip


def test_a_whole_environment_of_a_yaml_file_is_made_again_from_what_was_written_down(tmp_path: Path) -> None:
    path = tmp_path / "context.yaml"
    path.write_text(WHOLE, encoding="utf-8")
    identity, arguments, start, end = made_of(context=path)
    assert json.loads(json.dumps(arguments)) == arguments
    experiment = Experiment(identity, arguments, start, end)
    spec = experiment.make(start, end).engine.spec
    assert (spec.exchange.symbols, spec.exchange.fee_rate, spec.lookback_window, spec.max_loss) == (
        ("BTCUSDT",), 0.0, 4, 0.5,
    )  # fmt: skip
    assert spec.exchange.account == MarginAccount(leverage=2.0)
    assert spec.action_scheme == TargetPosition(positions=(-1.0, 0.0, 1.0))
    assert (str(spec.start_time), str(spec.end_time)) == ("2022-02-01T00:00:00Z", "2022-03-01T00:00:00Z")
    with TradingContext.from_yaml(path):
        from tradeready_gym.envs import TradingEnvironment

        assert TradingEnvironment().engine.spec.reward_scheme == spec.reward_scheme


@pytest.mark.parametrize(
    ("section", "given", "name", "value"),
    [
        ({"exchanges": {"fee_rate": 0.002}}, {}, "fee_rate", 0.002),
        ({"exchanges": {"fee_rate": 0}}, {}, "fee_rate", 0),
        ({"exchanges": {"fee_rate": 0.002}}, {"fee_rate": 0.0}, "fee_rate", 0.0),
        ({"exchanges": {"starting_balance": 5.0}}, {"starting_balance": 7.0}, "starting_balance", 7.0),
        ({"exchanges": {"data": "synthetic"}}, {}, "data", "synthetic"),
        ({"exchanges": {"data": "synthetic"}}, {"data": "sample"}, "data", "sample"),
        ({"exchanges": {"timeframe": "4h"}}, {}, "timeframe", "4h"),
        ({"lookback_window": 7}, {}, "lookback_window", 7),
        ({"lookback_window": 7}, {"lookback": 9}, "lookback_window", 9),
        ({"rewards": {"name": "pnl"}}, {}, "reward_function", {"name": "pnl"}),
        ({"rewards": {"name": "pnl"}}, {"reward": "sharpe"}, "reward_function", {"name": "sharpe"}),
        ({"features": ["rsi_14"]}, {}, "observation_features", ["rsi_14"]),
        ({"features": ["rsi_14"]}, {"features": "adx"}, "observation_features", ["adx"]),
        ({"features": {"rsi": {"period": 9}}}, {}, "observation_features", [{"name": "rsi", "period": 9}]),
        ({"actions": {"position_size": 0.5}}, {}, "action_scheme", {"name": "hold_buy_sell", "position_size": 0.5}),
        (
            {"actions": {"position_size": 0.5}},
            {"position_size": 0.9},
            "action_scheme",
            {"name": "hold_buy_sell", "position_size": 0.9},
        ),
        ({"instruments": ["ETH", "SOL"]}, {}, "pairs", ["ETHUSDT", "SOLUSDT"]),
        ({"max_loss": False}, {}, "max_loss", False),
    ],
)
def test_typed_beats_context_beats_default_and_zero_and_false_are_values(
    tmp_path: Path, section: dict[str, Any], given: dict[str, Any], name: str, value: Any
) -> None:
    found = made_of(context=written(tmp_path, section), **given)[1][name]
    assert (found, type(found)) == (value, type(value))


def test_a_symbol_that_was_typed_and_dates_beat_the_context(tmp_path: Path) -> None:
    path = written(tmp_path, {"instruments": "BTC", "start_time": "2022-01-01T00:00:00Z", "end_time": None})
    _, arguments, start, end = made_of("ethusdt", context=path, end="2023-01-01T00:00:00Z")
    assert (arguments["pairs"], start, end) == (["ETHUSDT"], "2022-01-01T00:00:00Z", "2023-01-01T00:00:00Z")


def test_a_simulated_market_takes_the_place_of_data_and_data_that_were_typed_that_of_the_market(tmp_path: Path) -> None:
    path = written(tmp_path, {"exchanges": {"name": "gbm", "paths": 2, "bars": 300, "fee_rate": 0.0}})
    identity, arguments, _, _ = made_of(context=path)
    assert "data" not in arguments
    engine = Experiment(identity, arguments).make().engine
    assert (len(engine.replayers), engine.symbols, engine.spec.exchange.fee_rate) == (2, ("BTCUSDT",), 0.0)
    _, arguments, _, _ = made_of(context=path, data="sample")
    assert arguments["data"] == "sample"
    assert arguments["fee_rate"] == 0.0
    assert not {"exchange", "paths", "bars"} & arguments.keys()


def test_a_scheme_of_another_name_takes_its_parameters_with_it() -> None:
    run = {"position_size": 0.5, "reward_function": {"name": "sharpe", "window": 9}, "fee_rate": 0.001}
    said = arguments_of_context(TradingContext(actions={"name": "target_position"}, rewards={"name": "pnl"}))
    laid = under_context("TradeReady-BTC-v0", run, said)
    assert laid == {"action_scheme": {"name": "target_position"}, "reward_function": {"name": "pnl"}, "fee_rate": 0.001}
    assert lay_arguments(run, {}) == run


def test_a_context_that_cannot_be_read_is_refused_by_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"the context .*none\.yaml does not exist"):
        read_context(tmp_path / "none.yaml")
    with pytest.raises(UnknownName, match="unknown context key 'lookback'"):
        read_context(written(tmp_path, {"lookback": 3}))
    unplain = TradingContext(exchanges={"slippage": object()})
    with pytest.raises(ConfigurationError, match="slippage must be what a file can say"):
        arguments_of_context(unplain)
