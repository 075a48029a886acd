"""A performance is a frame with a row per step, as stepping by hand gives it."""

import subprocess
import sys
from typing import Any

import numpy as np
import pandas
import pytest

from small_worlds import candles_of, small_env, trend_env
from tradeready_gym.actions import TargetPosition
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.exchanges import MarginAccount
from tradeready_gym.market import Candles
from tradeready_gym.market.worlds import trend
from tradeready_gym.strategies import BuyAndHold, Situation, TradingStrategy


class Shorting(TradingStrategy):
    """Is short at all times."""

    def decide(self, situation: Situation) -> Any:
        return np.ones(situation.count, np.int64)


class Alternating(TradingStrategy):
    """Buys and sells in turn."""

    step = 0

    def begin(self, environment: Any, seed: int) -> None:
        self.step = 0

    def decide(self, situation: Situation) -> Any:
        self.step += 1
        return np.full(situation.count, 1 + self.step % 2)


def test_rows_hold_what_was_decided_and_paid_for_the_step_that_led_there() -> None:
    market = trend_env(action_scheme="hold_buy_sell")
    frame = Alternating(market).run(steps=30, testing=True).to_pandas()
    assert list(frame) == ["step", "time", "net_worth", "balance", "position_value", "action", "reward"]
    by_hand = trend_env(action_scheme="hold_buy_sell")
    _, info = by_hand.reset(seed=0)
    assert frame.action.isna().tolist() == frame.reward.isna().tolist() == [True] + 30 * [False]
    for step in range(1, 31):
        action = 1 + step % 2
        _, reward, _, _, info = by_hand.step(action)
        row = frame.iloc[step]
        assert (row.step, row.action, row.reward) == (step, action, reward)
        assert (row.net_worth, row.balance) == (info["equity"], info["available_cash"])


def test_the_reward_of_the_last_step_of_an_episode_is_its_own_and_not_that_of_the_next() -> None:
    market = trend_env(action_scheme="hold_buy_sell", episode_length=10)
    result = Alternating(market).run(episodes=1, testing=True)
    assert result.reward is not None
    assert len(result) == 11
    assert result.reward[1:].sum() == pytest.approx(result.metrics["cumulative_reward"], rel=1e-12)


def test_actions_of_several_numbers_have_a_column_each() -> None:
    two = Candles.merge([trend(bars=120, seed=0), renamed(trend(bars=120, seed=1))])
    market = trend_env(data=two, action_scheme="portfolio")
    frame = BuyAndHold(market).run(steps=5, testing=True).to_pandas()
    assert {"action_0", "action_1"} <= set(frame)
    assert frame.action_0[1] == pytest.approx(0.5)


def renamed(candles: Candles) -> Candles:
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    return Candles.from_arrays("ETHUSDT", candles.timeframe, candles.times, *(column[0] for column in columns))


def test_actions_that_are_not_numbers_are_left_out() -> None:
    class Listing(TradingStrategy):
        def decide(self, situation: Situation) -> Any:
            return [0] * situation.count

    result = Listing(trend_env()).run(steps=3, testing=True)
    assert result.action is None
    assert "action" not in result.columns


def test_a_performance_is_plain_data_as_well() -> None:
    plain = Alternating(trend_env(action_scheme="hold_buy_sell")).run(steps=2, testing=True).to_dict()
    assert plain["step"] == [0, 1, 2]
    assert plain["time"][0].endswith("Z")
    assert all(type(value) is float for value in plain["net_worth"])


def test_a_performance_gives_columns_rows_and_a_row_as_a_frame_does() -> None:
    result = Alternating(trend_env(action_scheme="hold_buy_sell")).run(steps=9, testing=True)
    frame = result.to_pandas()
    assert result["net_worth"].tolist() == frame.net_worth.tolist()
    assert pandas.DataFrame(result[-3:]).equals(frame[-3:].reset_index(drop=True))
    assert result[-1]["net_worth"] == frame.net_worth.iloc[-1]
    assert len(result[2:5]["time"]) == 3 and result[4]["step"] == 4
    with pytest.raises(UnknownName, match="Did you mean 'net_worth'"):
        result["networth"]


@pytest.mark.parametrize("testing", [True, False])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"episodes": 0}, "episodes must be an integer of at least 1; got 0"),
        ({"episodes": -1}, "episodes must be"),
        ({"episodes": True}, "episodes must be"),
        ({"steps": 0}, "steps must be an integer of at least 1; got 0"),
        ({"steps": 2.5}, "steps must be"),
    ],
)
def test_a_run_of_nothing_is_refused_by_name(wrong: dict[str, Any], said: str, testing: bool) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Alternating(trend_env(action_scheme="hold_buy_sell")).run(testing=testing, **wrong)


def test_without_pandas_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Alternating(trend_env(action_scheme="hold_buy_sell")).run(steps=2, testing=True)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigurationError, match="pip install pandas"):
        result.to_pandas()


def test_strategies_do_not_import_pandas() -> None:
    program = "import sys; from tradeready_gym.strategies import Performance; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_account_that_was_ruined_has_the_weight_of_the_time_before() -> None:
    closes = [100.0] * 30 + [300.0] * 30
    market = small_env(
        candles_of(closes, open=closes),
        action_scheme=TargetPosition((0.0, -1.0)),
        account=MarginAccount(leverage=3.0),
    )
    ruined = Shorting(market).run(episodes=1, testing=True)
    assert ruined.net_worth[-1] == 0.0
    assert ruined.mean_weight < -0.9  # and not what 0 / 0 is, which no card could hold
