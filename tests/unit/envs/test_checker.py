"""check_trading_env accepts what is right, and catches every planted defect."""

from typing import Any

import gymnasium
import numpy as np
import pytest

from small_worlds import candles_of, play, random_candles, small_env
from tradeready_gym import Order
from tradeready_gym.actions import TargetPosition
from tradeready_gym.envs import TradingEnvironment, TradingVectorEnvironment, check_trading_env, replays
from tradeready_gym.envs.peeks import check_orders_see_no_candle
from tradeready_gym.envs.twins import turned_candles
from tradeready_gym.errors import CheckFailed, ConfigurationError, ResetNeeded
from tradeready_gym.exchanges import MarginAccount, SimulatedExchange
from tradeready_gym.wrappers import BatchStepWrapper, FeatureEngineeringWrapper, NormalizationWrapper

CANDLES = random_candles(120, gaps=True)
USUAL: dict[str, Any] = {"interpreted": True, "lookback_window": 2, "fee_rate": 0.001, "slippage": "uniform"}


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"action_scheme": "continuous", "reward_scheme": "sharpe"},
        {"action_scheme": "target_position", "flatten": False},
        {"episode_end": "gymnasium", "max_loss": 0.01},
        {"episode_length": 17},
        {"fill_at": "close", "steps_per_action": 3},
        {"max_volume_share": 0.001, "slippage": "volume_share"},
        {"feature_pipeline": ["candles", "momentum_5", "balance"]},
    ],
)
def test_our_own_environments_pass(arguments: dict[str, Any]) -> None:
    check_trading_env(TradingEnvironment(data=CANDLES, **{**USUAL, **arguments}))


def test_a_portfolio_passes() -> None:
    candles = random_candles(90, ("AAAUSDT", "BBBUSDT"))

    check_trading_env(TradingEnvironment(data=candles, action_scheme="portfolio", **USUAL))


def test_several_data_sets_pass() -> None:
    check_trading_env(TradingEnvironment(data=[CANDLES, random_candles(60, seed=2)], symbols=("BTCUSDT",), **USUAL))


def test_wrapped_environments_pass() -> None:
    env = NormalizationWrapper(FeatureEngineeringWrapper(TradingEnvironment(data=CANDLES, **USUAL)))

    check_trading_env(gymnasium.wrappers.TimeLimit(env, 20))
    assert env.statistics["observation"].count == 1


def test_the_environment_is_left_open_and_usable() -> None:
    env = TradingEnvironment(data=CANDLES, **USUAL)
    check_trading_env(env)

    assert len(play(env, [1, 0, 2])) == 4
    with pytest.raises(ResetNeeded):
        play(env, [0] * 1000)
        env.step(0)


def test_it_can_be_called_in_mid_episode() -> None:
    env = TradingEnvironment(data=CANDLES, **USUAL)
    play(env, [1, 0, 2])

    check_trading_env(env)


def test_nothing_is_written_to_the_journal(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEREADY_HOME", str(tmp_path))
    env = TradingEnvironment(data=CANDLES, track_training=True, **USUAL)

    check_trading_env(env)
    episodes = env.tracker.episodes_completed if env.tracker else None
    env.close()

    assert episodes == 0


def test_a_long_episode_is_checked_at_its_end() -> None:
    class EndsWell(TradingEnvironment):
        def _done(self) -> tuple[bool, bool]:
            terminated, truncated = super()._done()
            return truncated, terminated

    with pytest.raises(CheckFailed, match=r"must be \(True, False\) at step 30 of 30"):
        check_trading_env(EndsWell(data=random_candles(3_000), **USUAL), max_steps=30)


# ---- planted defects ----


class ReusesItsArray(TradingEnvironment):
    def _next_observation(self) -> Any:
        if not hasattr(self, "array"):
            self.array = super()._next_observation()
        self.array[:] = super()._next_observation()
        return self.array


class ReusesItsInfo(TradingEnvironment):
    def _info(self) -> dict[str, Any]:
        if not hasattr(self, "kept"):
            self.kept: dict[str, Any] = {}
        self.kept.update(super()._info())
        return self.kept


class ShowsItsOwnMemory(TradingEnvironment):
    def _next_observation(self) -> Any:
        if not hasattr(self, "scale"):
            self.scale = np.ones(1, np.float32)
        return {**super()._next_observation(), "account": self._scaled()}

    def _scaled(self) -> Any:
        self.scale = self.scale * np.float32(0.5)
        return np.repeat(self.scale, 3)


class SeesTheNextClose(TradingEnvironment):
    def _next_observation(self) -> Any:
        observation = super()._next_observation()
        row = min(int(self.engine.state.accounts["row"][0]), len(self.engine.rows) - 1)
        observation[0] = self.engine.rows["close"][row, 0]
        return observation


class SeesItInASeriesOfItsOwn(TradingEnvironment):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.prices = {"close": arguments["data"].close[0].copy()}

    def _next_observation(self) -> Any:
        observation = super()._next_observation()
        row = int(self.engine.state.accounts["row"][0])
        observation[0] = self.prices["close"][row : row + 3].mean() if row + 3 < len(self.prices["close"]) else 0.0
        return observation


class SeesItInAView(SeesItInASeriesOfItsOwn):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.prices = {"close": arguments["data"].close[0, 1:]}


def _rises(env: Any) -> bool:
    row = int(env.engine.state.accounts["row"][0])
    return bool(env.engine.rows["close"][row, 0] > env.engine.rows["open"][row, 0])


class TradesOnTheCandleThatBegins(TradingEnvironment):
    def _take_action(self, action: Any) -> None:
        super()._take_action(1 if _rises(self) else 2)


class DoesSoOnEveryThirdStep(TradingEnvironment):
    def _take_action(self, action: Any) -> None:
        if int(self.engine.state.accounts["row"][0]) % 3 == 0:
            action = 1 if _rises(self) else 2
        super()._take_action(action)


class HoldsWhatWouldLose(TradingEnvironment):
    def _take_action(self, action: Any) -> None:
        super()._take_action(0 if action == 1 and not _rises(self) else action)


class NotesItWithTheReward(TradingEnvironment):
    def reset(self, **arguments: Any) -> Any:
        self.rises = False
        return super().reset(**arguments)

    def _get_reward(self) -> float:
        self.rises = int(self.engine.state.accounts["row"][0]) < len(self.engine.rows) and _rises(self)
        return super()._get_reward()

    def _take_action(self, action: Any) -> None:
        super()._take_action(1 if self.rises else action)


class PaysForTheFuture(TradingEnvironment):
    def _get_reward(self) -> float:
        paid = super()._get_reward()
        row = min(int(self.engine.state.accounts["row"][0]), len(self.engine.rows) - 1)
        return paid + float(self.engine.rows["high"][row, 0])


class ForgetsTheFee(TradingEnvironment):
    def _take_action(self, action: Any) -> None:
        account = self.engine.state.accounts[0]
        before = float(account["fees_paid"])
        super()._take_action(action)
        charged = float(account["fees_paid"]) - before
        account["cash"] += charged
        account["equity"] += charged
        account["fees_paid"] = before


class HidesAFill(TradingEnvironment):
    def _info(self) -> dict[str, Any]:
        return {**super()._info(), "filled_orders": []}


class PrintsMoney(TradingEnvironment):
    def _take_action(self, action: Any) -> None:
        super()._take_action(action)
        self.engine.state.accounts[0]["cash"] += 1e-3
        self.engine.state.accounts[0]["equity"] += 1e-3


class BuysBelowTheOpen(TradingEnvironment):
    def _info(self) -> dict[str, Any]:
        info = super()._info()
        fills = [{**fill, "price": fill["price"] * 0.99} for fill in info["filled_orders"]]
        return {**info, "filled_orders": fills}


class NeverForgets(TradingEnvironment):
    def _get_reward(self) -> float:
        self.seen = getattr(self, "seen", 0) + 1
        return super()._get_reward() + 1e-9 * self.seen


class StartsRich(TradingEnvironment):
    def reset(self, **arguments: Any) -> Any:
        self.best = max(getattr(self, "best", 0.0), float(self.engine.state.accounts["equity"][0]))
        observation, info = super().reset(**arguments)
        self.engine.state.accounts["cash"] = info["available_cash"] = max(info["available_cash"], self.best)
        return observation, info


class SwapsTheFlags(TradingEnvironment):
    def _done(self) -> tuple[bool, bool]:
        terminated, truncated = super()._done()
        return truncated, terminated


class NeverEnds(TradingEnvironment):
    def _done(self) -> tuple[bool, bool]:
        return False, False


class StepsOnAfterTheEnd(TradingEnvironment):
    def step(self, action: Any) -> Any:
        if not self._ready and self._total:
            return self.last
        self.last: Any = super().step(action)
        return self.last


class PaysNothingFinite(TradingEnvironment):
    def step(self, action: Any) -> Any:
        observation, _, *rest = super().step(action)
        return observation, float("nan"), *rest


class LeavesTheSpace(TradingEnvironment):
    def _next_observation(self) -> Any:
        observation = super()._next_observation()
        observation[-2] = -1.0
        return observation


class LosesAKey(TradingEnvironment):
    def _info(self) -> dict[str, Any]:
        info = dict(super()._info())
        info.pop("fees_paid", None)
        return info


class ReturnsAnArrayInInfo(TradingEnvironment):
    def _info(self) -> dict[str, Any]:
        return {**super()._info(), "closes": self.engine.rows["close"][0]}


class SkipsACandle(TradingEnvironment):
    def _info(self) -> dict[str, Any]:
        info = super()._info()
        return {**info, "step": info["step"] + (info["step"] > 5)}


class ClosesOverItself(TradingEnvironment):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.lock = __import__("threading").Lock()


class SharesWithItsCopies(TradingEnvironment):
    counter = [0]

    def _get_reward(self) -> float:
        self.counter[0] += 1
        return super()._get_reward() + self.counter[0]


class ReadsWhatItHandedOut(TradingEnvironment):
    def _next_observation(self) -> Any:
        self.handed_out = super()._next_observation()
        return self.handed_out

    def _get_reward(self) -> float:
        before = getattr(self, "before", None)
        self.before = self.handed_out
        return super()._get_reward() + (0.0 if before is None else float(before[0] == 7.0))


class Ledger(SimulatedExchange):
    """Remembers the very dicts that an info has handed out."""

    handed_out: list[dict[str, Any]]

    @property
    def trades(self) -> list[dict[str, Any]]:
        return self.handed_out


class HandsOutItsHistory(TradingEnvironment):
    def reset(self, **arguments: Any) -> Any:
        self.exchange.__class__ = Ledger
        self.exchange.handed_out = []  # type: ignore[attr-defined]
        return super().reset(**arguments)

    def step(self, action: Any) -> Any:
        outcome = super().step(action)
        self.exchange.handed_out += outcome[4]["filled_orders"]  # type: ignore[attr-defined]
        return outcome


class TakesGymnasiumsKey(TradingEnvironment):
    def _info(self) -> dict[str, Any]:
        return {**super()._info(), "episode": {"r": 0.0}}


class FlattersItself(TradingEnvironment):
    def _end_episode(self, info: dict[str, Any]) -> None:
        super()._end_episode(info)
        info["episode_metrics"]["roi_pct"] += 1.0


class KeepsItsMetrics(TradingEnvironment):
    def _end_episode(self, info: dict[str, Any]) -> None:
        super()._end_episode(info)
        del info["episode_metrics"]


@pytest.mark.parametrize(
    ("defect", "words"),
    [
        (ReadsWhatItHandedOut, "must not change what follows"),
        (HandsOutItsHistory, "exchange.trades"),
        (TakesGymnasiumsKey, "belongs to Gymnasium's"),
        (FlattersItself, "roi_pct"),
        (KeepsItsMetrics, "must have 'episode_metrics'"),
        (ReusesItsArray, "must stay as it was"),
        (ReusesItsInfo, "must stay as it was"),
        (SeesTheNextClose, "lie in its future"),
        (SeesItInASeriesOfItsOwn, "lie in its future"),
        (SeesItInAView, "lie in its future"),
        (PaysForTheFuture, "lie in its future"),
        (TradesOnTheCandleThatBegins, "the candle that they trade in"),
        (DoesSoOnEveryThirdStep, "the candle that they trade in"),
        (HoldsWhatWouldLose, "the candle that they trade in"),
        (NotesItWithTheReward, "the candle that they trade in"),
        (ForgetsTheFee, "the reported fills make"),
        (HidesAFill, "the reported fills make"),
        (PrintsMoney, "the reported fills make"),
        (BuysBelowTheOpen, "moved by its slippage"),
        (NeverForgets, "whatever was played before"),
        (StartsRich, "the reported fills make|whatever was played before"),
        (SwapsTheFlags, r"must be \(True, False\)"),
        (NeverEnds, r"must be \(True, False\)"),
        (StepsOnAfterTheEnd, "must raise ResetNeeded"),
        (PaysNothingFinite, "finite float"),
        (LeavesTheSpace, "must be in the space"),
        (LosesAKey, "lacks fees_paid"),
        (ReturnsAnArrayInInfo, "json.dumps"),
        (SkipsACandle, "step, total_steps"),
        (ClosesOverItself, "copy.deepcopy"),
        (SharesWithItsCopies, "on its own|whatever was played before|must not change what follows"),
    ],
)
def test_a_planted_defect_is_caught(defect: type[TradingEnvironment], words: str) -> None:
    with pytest.raises(CheckFailed, match=words):
        check_trading_env(defect(data=CANDLES, **USUAL))


def test_a_dictionary_that_remembers_other_episodes_is_caught() -> None:
    with pytest.raises(CheckFailed, match="whatever was played before|must be in the space"):
        check_trading_env(ShowsItsOwnMemory(data=CANDLES, flatten=False, **USUAL))


class PeeksThroughAWrapper(gymnasium.ObservationWrapper[Any, Any, Any]):
    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.tomorrow = env.unwrapped.exchange.data.close[0]

    def observation(self, observation: Any) -> Any:
        row = min(int(self.unwrapped.engine.state.accounts["row"][0]), len(self.tomorrow) - 1)  # type: ignore[attr-defined]
        return np.concatenate([[np.float32(self.tomorrow[row])], observation[1:]])


class ActsOnTheCandleThatBegins(gymnasium.ActionWrapper[Any, Any, Any]):
    def action(self, action: Any) -> Any:
        return 1 if _rises(self.unwrapped) else 2


class SubmitsOnTheCandleThatBegins(gymnasium.Wrapper[Any, Any, Any, Any]):
    def step(self, action: Any) -> Any:
        base: Any = self.unwrapped
        price = float(base.engine.rows["close"][int(base.engine.state.accounts["row"][0]) - 1, 0])
        for order in base.exchange.open_orders:
            base.exchange.cancel(order["order_id"])
        if _rises(base):
            base.exchange.submit([Order("BTCUSDT", "buy", 1.0, "limit", 0.5 * price)])
        return self.env.step(action)


class SubmitsAfterTheStep(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Honest: what it sends depends on the candle that has just closed."""

    def step(self, action: Any) -> Any:
        outcome = self.env.step(action)
        base: Any = self.unwrapped
        row = int(base.engine.state.accounts["row"][0]) - 1
        for order in base.exchange.open_orders:
            base.exchange.cancel(order["order_id"])
        rose = base.engine.rows["close"][row, 0] > base.engine.rows["open"][row, 0]
        if rose and not (outcome[2] or outcome[3]):
            price = float(base.engine.rows["close"][row, 0])
            base.exchange.submit([Order("BTCUSDT", "buy", 1.0, "limit", 0.9 * price, 0.8 * price)])
        return outcome


class HidesTheEnd(gymnasium.Wrapper[Any, Any, Any, Any]):
    def step(self, action: Any) -> Any:
        observation, reward, _, _, info = self.env.step(action)
        return observation, reward, False, False, info


class KeepsOneArray(gymnasium.ObservationWrapper[Any, Any, Any]):
    def observation(self, observation: Any) -> Any:
        self.kept = getattr(self, "kept", observation)
        self.kept[:] = observation
        return self.kept


@pytest.mark.parametrize(
    "wrapper",
    [
        gymnasium.wrappers.RecordEpisodeStatistics,
        gymnasium.wrappers.PassiveEnvChecker,
        gymnasium.wrappers.Autoreset,
        gymnasium.wrappers.NormalizeReward,
        lambda env: gymnasium.wrappers.FrameStackObservation(env, 3),
        lambda env: gymnasium.wrappers.TransformReward(env, lambda reward: 2.0 * float(reward)),
    ],
)
def test_gymnasiums_own_wrappers_pass(wrapper: Any) -> None:
    check_trading_env(wrapper(TradingEnvironment(data=CANDLES, **USUAL)))


@pytest.mark.parametrize(
    ("wrapper", "words"),
    [
        (PeeksThroughAWrapper, "lie in its future"),
        (ActsOnTheCandleThatBegins, "the candle that they trade in"),
        (SubmitsOnTheCandleThatBegins, "the candle that they trade in"),
        (HidesTheEnd, "a wrapper hides it"),
        (KeepsOneArray, "must stay as it was"),
    ],
)
def test_a_planted_defect_in_a_wrapper_is_caught(wrapper: Any, words: str) -> None:
    with pytest.raises(CheckFailed, match=words):
        check_trading_env(wrapper(TradingEnvironment(data=CANDLES, **USUAL)))


@pytest.mark.parametrize("arguments", [{"fill_at": "close"}, {"steps_per_action": 3}, {"max_volume_share": 0.001}])
def test_a_look_at_the_candle_that_begins_is_caught_however_orders_fill(arguments: dict[str, Any]) -> None:
    env = ActsOnTheCandleThatBegins(TradingEnvironment(data=CANDLES, **USUAL, **arguments))

    with pytest.raises(CheckFailed, match="the candle that they trade in"):
        check_trading_env(env)


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        ({"action_scheme": "managed_risk"}, {"stop_loss"}),
        ({"action_scheme": "simple_orders"}, {"limit"}),
        (
            {"action_scheme": TargetPosition(positions=(-5.0, 0.0, 5.0)), "account": MarginAccount(leverage=5.0)},
            {"liquidation"},
        ),
    ],
)
def test_what_fills_within_the_candle_may_depend_on_it(arguments: dict[str, Any], kinds: set[str]) -> None:
    wild = candles_of(random_candles(50).close ** 6 / 1e10, wick=0.1)
    env = TradingEnvironment(data=wild, max_loss=1.0, **USUAL, **arguments)
    filled = [fill["type"] for outcome in replays.play(env, 0, 200) for fill in outcome[-1]["filled_orders"]]

    check_orders_see_no_candle(env, 0)
    assert kinds <= set(filled)


def test_orders_sent_after_the_step_may_depend_on_its_candle() -> None:
    env = SubmitsAfterTheStep(BatchStepWrapper(TradingEnvironment(data=CANDLES, **USUAL), 2))

    check_orders_see_no_candle(env, 0)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("row", [30, 60, 69, 119])
def test_a_turned_candle_keeps_what_orders_may_depend_on(row: int, whole: bool) -> None:
    turned = turned_candles(CANDLES, row, 1, whole, free=False)
    middle = (CANDLES.close[0, row - 1], turned.close[0, row - 1]) if whole else (CANDLES.open[0, row],) * 2
    kept = ("gaps", "volume") if whole else ("gaps", "volume", "open")

    assert all((getattr(turned, name)[:, : row + 1] == getattr(CANDLES, name)[:, : row + 1]).all() for name in kept)
    assert (turned.close[:, :row] == CANDLES.close[:, :row]).all()
    assert (turned.low <= np.minimum(turned.open, turned.close)).all()
    assert (turned.high >= np.maximum(turned.open, turned.close)).all()
    if not CANDLES.gaps[0, row]:
        assert (CANDLES.close[0, row] - middle[0]) * (turned.close[0, row] - middle[1]) < 0.0


def test_a_market_that_is_not_the_one_given_is_caught() -> None:
    class Frozen(TradingEnvironment):
        def step(self, action: Any) -> Any:
            observation, info = self.reset(seed=0)
            return observation, 0.0, False, False, info

    with pytest.raises(CheckFailed):
        check_trading_env(Frozen(data=CANDLES, **USUAL))


def test_foreign_and_vector_environments_are_refused() -> None:
    vector = TradingVectorEnvironment(data=CANDLES, num_envs=2, **USUAL)

    with pytest.raises(ConfigurationError, match="CartPoleEnv"):
        check_trading_env(gymnasium.make("CartPole-v1"))
    with pytest.raises(ConfigurationError, match="TradingVectorEnvironment"):
        check_trading_env(vector)  # type: ignore[arg-type]


def test_the_future_of_a_market_without_moves_can_be_told_apart() -> None:
    check_trading_env(small_env(candles_of(np.full(60, 100.0))))
