"""Our exchanges keep their contract, and the suite catches exchanges that do not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from small_worlds import candles_of, random_candles
from tradeready_gym.errors import CheckFailed, ConfigurationError
from tradeready_gym.exchanges import Exchange, FeeSchedule, MarginAccount, SimulatedExchange, stochastic_exchange
from tradeready_gym.market import Candles
from tradeready_gym.orders import Fill, Order
from tradeready_gym.testing import check_exchange

PAIR = ("AAAUSDT", "BBBUSDT")
SOUND: dict[str, tuple[dict[str, Any], bool]] = {
    "spot": ({}, False),
    "no costs": ({"fee_rate": 0.0, "slippage": "none"}, False),
    "a fee schedule": ({"fee_rate": FeeSchedule(0.001, 0.0, 1.0, 5.0)}, False),
    "capped volume": ({"max_volume_share": 0.001}, False),
    "the last close": ({"fill_at": "close"}, False),
    "margin": ({"account": "margin"}, True),
    "borrowing": ({"account": MarginAccount(leverage=3.0, annual_borrow_rate=0.5)}, True),
    "funding": ({"account": MarginAccount(leverage=3.0, funding_rate=0.001)}, True),
}


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("symbols", [("BTCUSDT",), PAIR])
def test_a_simulated_exchange_keeps_the_contract(name: str, symbols: tuple[str, ...]) -> None:
    arguments, margin = SOUND[name]

    check_exchange(SimulatedExchange(random_candles(120, symbols=symbols, gaps=True), **arguments), margin=margin)


@pytest.mark.parametrize("model", ["gbm", "fbm", "ornstein_uhlenbeck", "heston", "merton"])
def test_a_stochastic_exchange_keeps_the_contract(model: str) -> None:
    check_exchange(stochastic_exchange(model, paths=2, bars=120))


# ---- planted defects ----


class ForgetsTheFee(SimulatedExchange):
    @property
    def trades(self) -> list[dict[str, Any]]:
        return [{**fill, "fee": 0.0} for fill in super().trades]


class InventsMoney(SimulatedExchange):
    def mark(self, closes: Sequence[float] | None = None) -> float:
        self._open_state()[0].accounts[0].cash += 0.01
        return super().mark(closes)


class KeepsItsAccount(SimulatedExchange):
    opened = False

    def reset(self, start: int | str | None = None) -> None:
        if not self.opened:
            super().reset(start)
        self.opened = True


class ChargesForRefusals(SimulatedExchange):
    def submit(self, orders: Sequence[Order]) -> list[dict[str, Any]]:
        answers = super().submit(orders)
        self._open_state()[0].accounts[0].cash -= sum(0.5 for answer in answers if answer["status"] == "rejected")
        return answers


class SwallowsOrders(SimulatedExchange):
    def submit(self, orders: Sequence[Order]) -> list[dict[str, Any]]:
        return [answer for answer in super().submit(orders) if answer["status"] != "rejected"]


class AnswersWithArrays(SimulatedExchange):
    def submit(self, orders: Sequence[Order]) -> list[dict[str, Any]]:
        return [{**answer, "price": np.float32(1.0)} for answer in super().submit(orders)]


class GivesNoReason(SimulatedExchange):
    def submit(self, orders: Sequence[Order]) -> list[dict[str, Any]]:
        return [{k: v for k, v in answer.items() if k != "reason"} for answer in super().submit(orders)]


class AnswersInItsOwnWords(SimulatedExchange):
    def submit(self, orders: Sequence[Order]) -> list[dict[str, Any]]:
        return [{**answer, "status": f"{answer['status']}!"} for answer in super().submit(orders)]


class ShowsWhatIsNotHeld(SimulatedExchange):
    @property
    def portfolio(self) -> dict[str, float]:
        return dict.fromkeys(self.symbols, 0.0) | super().portfolio if self.trades else super().portfolio


class LosesARow(SimulatedExchange):
    @property
    def performance(self) -> dict[str, Any]:
        return {name: values[1:] for name, values in super().performance.items()}


class MarksSomethingElse(SimulatedExchange):
    def mark(self, closes: Sequence[float] | None = None) -> float:
        return super().mark(closes) + 1.0


class HidesMatches(SimulatedExchange):
    def match(self, candle: Any = None) -> list[Fill]:
        super().match(candle)
        return []


class NeverTheSame(SimulatedExchange):
    resets = 0

    def reset(self, start: int | str | None = None) -> None:
        self.resets += 1
        super().reset("2024-01-02T00:00:00Z" if self.resets < 3 else "2024-01-02T01:00:00Z")


class FillsMore(SimulatedExchange):
    @property
    def trades(self) -> list[dict[str, Any]]:
        return [{**fill, "quantity": 1.5 * fill["quantity"]} for fill in super().trades]


class LendsWithoutAsking(SimulatedExchange):
    @property
    def balance(self) -> float:
        return super().balance if len(self.trades) < 4 else -1.0


class ShowsTheFuture(SimulatedExchange):
    @property
    def candles(self) -> Candles:
        return self.load()[0].candles


class ShowsOneCandleMore(SimulatedExchange):
    @property
    def candles(self) -> Candles:
        whole = self.load()[0].candles
        return whole.between(None, whole.time_of(len(super().candles) + 1))


class RevisesThePast(SimulatedExchange):
    @property
    def candles(self) -> Candles:
        found = super().candles
        return replace(found, volume=found.volume + len(self.trades))


class ShowsRowsOnly(SimulatedExchange):
    @property
    def candles(self) -> Any:
        return super().candles.close


class OfAnotherMarket(SimulatedExchange):
    @property
    def candles(self) -> Candles:
        return replace(super().candles, symbols=("ETHUSDT",))


DEFECTS: dict[type[SimulatedExchange], str] = {
    ForgetsTheFee: "has gone",
    InventsMoney: "nowhere",
    KeepsItsAccount: "reset\\(\\) must leave the starting balance",
    ChargesForRefusals: "a refusal must change nothing|starting balance",
    SwallowsOrders: "one answer for each order",
    AnswersWithArrays: "plain data",
    GivesNoReason: "a refusal needs a known reason",
    AnswersInItsOwnWords: "no market buy|status must be one of",
    ShowsWhatIsNotHeld: "must be left out of portfolio",
    LosesARow: "a row for each",
    MarksSomethingElse: "must return net_worth",
    HidesMatches: "must return the fills",
    NeverTheSame: "the same orders after reset",
    FillsMore: "filled as something else",
    ShowsTheFuture: r"must grow by the one that match\(\) has closed; it has \+0 slots",
    ShowsOneCandleMore: "must value at the last closes of candles",
    RevisesThePast: "must stay as they were",
    ShowsRowsOnly: "must be a Candles object; it is ndarray",
    OfAnotherMarket: "candles must be of",
    LendsWithoutAsking: "never negative|a refusal must change nothing",
}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda one: one.__name__)
def test_the_suite_sees_the_defect(defect: type[SimulatedExchange]) -> None:
    with pytest.raises(CheckFailed, match=DEFECTS[defect]):
        check_exchange(defect(random_candles(120), slippage="none"))


def test_an_exchange_on_which_nothing_trades_is_no_proof() -> None:
    with pytest.raises(CheckFailed, match="no market buy of BTCUSDT was filled"):
        check_exchange(SimulatedExchange(candles_of(np.full(120, 100.0), volume=np.zeros(120)), slippage="none"))


def test_only_exchanges_are_checked() -> None:
    assert issubclass(SimulatedExchange, Exchange)
    with pytest.raises(ConfigurationError, match="needs an Exchange object"):
        check_exchange("simulated")  # type: ignore[arg-type]
