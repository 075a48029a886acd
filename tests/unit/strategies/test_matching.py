"""Random traders trade as much as the agent beside them, whatever it does: only when they do it is drawn."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tradeready_gym.actions import ACTION_SCHEMES, ActionScheme, TargetPosition, TargetWeights
from tradeready_gym.actions.holdings import Holdings
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import ConfigurationError
from tradeready_gym.exchanges import MarginAccount, SimulatedExchange
from tradeready_gym.market import Candles
from tradeready_gym.market.worlds import martingale
from tradeready_gym.strategies import Evaluation, RandomTrader, Situation, TradingStrategy
from tradeready_gym.strategies import matching as module
from tradeready_gym.strategies.comparison import compare
from tradeready_gym.strategies.matching import holdings_of, matched_turnover, mean_weight, random_traders_like
from tradeready_gym.testing import check_action_scheme

Plan = Callable[[int], Any]
BARS = 600


class Planned(TradingStrategy):
    """Does at each step what is planned for it."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.step = plan, 0
        super().__init__()

    def begin(self, environment: Any, seed: int) -> None:
        self.step = 0

    def decide(self, situation: Situation) -> npt.NDArray[Any]:
        self.step += 1
        action = np.asarray(self.plan(self.step))
        return np.broadcast_to(action, (situation.count, *action.shape)).copy()


def market(scheme: ActionScheme, candles: Candles | None = None, **account: Any) -> TradingEnvironment:
    exchange = SimulatedExchange(
        martingale(bars=BARS, seed=0) if candles is None else candles, account=MarginAccount(**account)
    )
    return TradingEnvironment(
        exchange=exchange, action_scheme=scheme, feature_pipeline=["returns", "position"], lookback_window=5
    )


def two_symbols() -> Candles:
    return Candles.merge([martingale(BARS, seed=1, symbol="BTCUSDT"), martingale(BARS, seed=2, symbol="ETHUSDT")])


def turns(*positions: float, every: int) -> tuple[ActionScheme, Plan]:
    return TargetPosition(positions), lambda step: np.int64(step // every % len(positions))


def rotation(step: int) -> list[float]:
    return [-0.5, 0.0] if step % 40 < 20 else [0.0, 0.9]


CONSTRUCTED = {
    "short or out": (*turns(-1.0, 0.0, every=25), None),
    "always short": (*turns(-1.0, -1.0, every=25), None),
    "always invested, now long, now short": (*turns(1.0, -1.0, every=15), None),
    "always invested, now all, now half": (*turns(1.0, 0.5, every=10), None),
    "to and fro at every step": (*turns(1.0, -1.0, every=1), None),
    "leveraged": (*turns(0.0, 1.0, 3.0, every=30), None),
    "leveraged and held there": (*turns(3.0, 3.0, every=30), None),
    "three positions, rarely changed": (
        TargetPosition((0.0, 1.0, -1.0)),
        lambda step: np.int64([0, 1, 2, 1][step // 151]),
        None,
    ),
    "a single trade": (TargetPosition((0.0, 1.0)), lambda step: np.int64(step > 300), None),
    "two symbols, one of them short": (TargetWeights(), rotation, two_symbols),
}


@pytest.mark.parametrize("name", CONSTRUCTED)
def test_the_turnover_is_met_within_ten_per_cent_and_the_direction_is_the_same(name: str) -> None:
    scheme, plan, candles = CONSTRUCTED[name]
    environment = market(scheme, None if candles is None else candles(), leverage=3.0)
    agent = Planned(plan).evaluate(environment)
    trader, traders = random_traders_like(agent, environment, seeds=20)
    ratio = matched_turnover(agent, traders)
    assert ratio == pytest.approx(1.0, abs=0.1)
    # measured by whoever looks at the fills alone: traded value over equity, candle by candle
    assert _traded(traders) == pytest.approx(_traded(agent), rel=0.1)
    # and is invested as much, to within a tenth of what it held
    gross = float(np.abs(holdings_of(agent.episodes[0], environment.engine)).sum(axis=1).mean())
    assert mean_weight(traders) == pytest.approx(mean_weight(agent), abs=0.1 * gross)
    again = trader.evaluate(environment, episodes=20)
    assert again.metric("turnover").tolist() == traders.metric("turnover").tolist()


def _traded(evaluation: Evaluation) -> float:
    totals = []
    for episode in evaluation.episodes:
        assert episode.fills is not None
        value = (episode.fills["quantity"] * episode.fills["price"]).sum()
        totals.append(value / episode.net_worth[1:].mean() / (len(episode) - 1))
    return float(np.mean(totals))


def test_traders_that_only_buy_and_sell_would_miss_a_short_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "holdings_of", lambda episode, engine: np.array([[0.0], [0.3]]))
    scheme, plan, _ = CONSTRUCTED["always invested, now long, now short"]
    environment = market(scheme, leverage=3.0)
    agent = Planned(plan).evaluate(environment)
    traders = random_traders_like(agent, environment, seeds=3)[1]
    assert np.mean([one.mean_weight for one in traders.episodes]) > 0.1 + agent.episodes[0].mean_weight


def test_holdings_are_what_was_held_after_each_trade_as_long_as_it_lasted() -> None:
    candles = martingale(BARS, seed=3)
    environment = market(TargetPosition((0.0, -1.0, 2.0)), candles, leverage=3.0, funding_rate=0.0)
    planned = (0, 1, 2, 0)
    agent = Planned(lambda step: np.int64(planned[step // 150 % 4])).evaluate(environment)
    held = holdings_of(agent.episodes[0], environment.engine)[:, 0]
    steps = np.arange(1, len(agent.episodes[0]))
    wanted = np.array([0.0, -1.0, 2.0])[np.array(planned)[steps // 150 % 4]]
    assert held == pytest.approx(wanted, abs=0.02)


def test_what_baselines_are_played_with_is_a_sound_action_scheme() -> None:
    check_action_scheme(Holdings())
    assert Holdings().describe([0.5, -1.0], ("BTCUSDT",)) == "hold 50 % in BTCUSDT, -100 % in symbol 1"
    with pytest.raises(ConfigurationError, match="threshold"):
        Holdings(threshold=0.0)


@pytest.mark.parametrize("name", ACTION_SCHEMES)
def test_every_action_scheme_has_the_same_baselines_beside_it(name: str) -> None:
    arguments = {"action_scheme": name} if name != "joined" else {"action_scheme": _joined()}
    environment = TradingEnvironment(
        data=martingale(bars=90, seed=4), feature_pipeline=["returns", "position"], lookback_window=5, interpreted=True,
        **arguments,
    )  # fmt: skip
    drawn = environment.engine.spec.action_scheme.action_space(1)
    drawn.seed(0)
    result = compare([Planned(lambda step: drawn.sample())], environment, random_seeds=2)
    assert [one.strategy for one in result.baselines] == ["Buy and hold", "Flat", "MA cross 20/50", "Random"]
    plain = TradingEnvironment(
        data=martingale(bars=90, seed=4), feature_pipeline=["returns", "position"], lookback_window=5, interpreted=True,
        action_scheme="target_position",
    )  # fmt: skip
    usual = compare([RandomTrader()], plain, random_seeds=2)
    for one, other in zip(result.baselines[:3], usual.baselines[:3], strict=True):
        assert one.action_scheme.startswith("Holdings(")
        assert one.spans == other.spans
        assert np.array_equal(one.episodes[0].time, other.episodes[0].time)
        assert np.array_equal(one.episodes[0].net_worth, other.episodes[0].net_worth)


def _joined() -> ActionScheme:
    return ACTION_SCHEMES["hold_buy_sell"]() + ACTION_SCHEMES["hold_buy_sell"]()


def test_how_well_the_traders_meet_the_agent_is_said() -> None:
    scheme, plan, _ = CONSTRUCTED["short or out"]
    result = compare([Planned(plan)], market(scheme, leverage=3.0), random_seeds=4)
    (match,) = result.random_match
    assert match["turnover"] == result.agents[0].metric("turnover")[0]
    assert match["traders_turnover"] == result.random[0].metric("turnover").mean()
    assert match["turnover_ratio"] == pytest.approx(match["traders_turnover"] / match["turnover"])
    assert match["mean_weight"] < -0.4 and match["traders_mean_weight"] < -0.3
    idle = compare([Planned(lambda step: np.int64(1))], market(scheme, leverage=3.0), random_seeds=2)
    assert idle.random_match[0]["turnover_ratio"] is None
    assert idle.random_match[0]["traders_turnover"] == 0.0
