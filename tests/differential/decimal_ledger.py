"""An exact re-computation of an episode from the engine contract alone, in `decimal.Decimal` with 120 digits.

It imports nothing of tradeready_gym, and was written without sight of its engine; where the two had read the contract
differently and both readings were legal, one was chosen for both ([A..] below). It is slow and plain on purpose.

    episode = Episode([Series(open, high, low, close, volume, gap)], start_row=24, parameters=Parameters())
    result = episode.step(submit=[{"symbol": 0, "side": "buy", "type": "market", "quantity": 0.01}], cancel=[])
    result = episode.step(action=1)                       # with Parameters(scheme=HoldBuySell())

Rows are slots of the candle grid: step s begins with the clock on row `start_row + s`, sees the rows before it, and trades
in the candle of that row. Every submission, also one that a scheme makes, gets the next index 0, 1, 2, ...; `cancel` names
these indices, or (index, "stop") and (index, "take") for the legs of a bracket. All input floats are taken exactly.

With Parameters(margin=MarginTerms(...)) the account is a margin account (reference/margin_broker.py, with the choices [M..]).

AMBIGUITIES: where the contract is silent or can be read in two ways, the choice of a careful trader, marked [A..] in the code.

Submitting
[A1]  Cancellations of a step come before its submissions, so freed money can be spent by them; a person's orders are taken
      before the step's action.
[A2]  Checks in this order, the first that fails gives the reason: unknown_symbol; invalid_quantity (not finite, not above 0,
      less than one lot); invalid_price (missing, not above 0, off tick: limits, triggers and bracket prices alike; a price on
      a market order; a bracket with stop >= take; a bracket on a sell, since a spot account has nothing to exit);
      min_notional; market_closed (market orders only); insufficient_position / insufficient_balance.
      Both kinds of min_notional look at quantity (in whole lots) * last visible close, also for limit orders.
[A3]  A limit buy locks at the larger of the two fee rates, or a maker rate above the taker rate would overdraw the account.
      A marketable limit needs its full lock too. What a better fill leaves of a lock returns to available cash at the fill.
      A take_profit buy is a limit buy. A stop buy locks at the taker rate; `slippage maximum` is 0 for NoSlippage, the
      fraction for Fixed, spread / 2 for HalfSpread, `maximum` for the others. If a stop buy must be cut to its lock the rest
      of it ends; if no lot is left all of it ends, which is no rejection.
[A4]  An explicit sell, market or resting, above the UNLOCKED holding is rejected whole: insufficient_position.
[A5]  A value of at most 1e-12 of the starting balance is what binary rounding leaves of nothing. A sell that misses the
      unlocked holding by that sells the holding: 0.1 + 0.2 can be sold as 0.3. A fill that would leave that of a position
      takes it along, and other sells of the symbol end. A cost that exceeds the cash by that is the cash.
      Lots and ticks have a tolerance of a millionth of one for the same reason (1e7 ticks are known to 1e-9 of one).
[A6]  Target positions follow the portfolio's rule: d = E * target - value held, nothing if abs(d) <= threshold * E, else
      abs(d) / P is traded; target 0 sells the whole position.
[A7]  A scheme that sells without an unlocked holding makes no order (documented: `otherwise nothing`). A scheme's sell is cut
      to the unlocked holding; portfolio weight 0 is "sell the whole position". A scheme's buy that the cash cuts below the
      minimum is rejected with min_notional; with lots it is floored again after the cut, and then some cash is left.
      v of a market order is taken before the lots and before the cut to cash. An order cut to cash AND capped by volume
      leaves cash.
[A8]  `fill_at="close"` replaces the price of market orders alone: whether they trade (gap) and how much (max_volume_share)
      is still a matter of the candle that begins at the clock. The rest of section 4 is unchanged.
[A9]  SquareRoot's daily volatility is the realised one: sqrt(sum of squared log returns of the closes over 24 h); the first
      return needs the close before the 24 h, and is left out where there is none.
[A10] A resting order is quoted once per step, before the candle, at its remaining quantity; a market order when it is taken.
      A leg has its parent's fraction in a candle in which it was not there to be quoted. A draw belongs to a step and to an
      order's number; orders are numbered from 1 as they come to be, refused ones and legs too.
      An explicit market buy must afford its whole quantity although the volume cap may fill less.
      A market order for which the cap leaves nothing is cancelled, which is no rejection.

Brackets
[A11] A cancellation names one order. Legs are orders of their own: cancelling their parent leaves them, and cancelling one
      leg leaves the other, with the lock.
[A12] Every fill of the parent, also a partial one, activates the legs, or joins the pair that is still there, which keeps
      its age. A pair shares one quantity: a partial fill of one leg leaves the rest with both, the last fill of one cancels
      the other. One leg alone is allowed. The legs lock the quantity, so other orders cannot sell it (A4); only a
      scheme's "sell the whole position" cancels them.
[A13] Legs are active in the candle of their parent's fill: from the open if the parent filled at the open or before (market,
      phase (a)), and then also in (a); for a parent that filled in (b) only the stop leg, in (c). In that candle they are not
      orders that rested: taker fee, and a take-profit that is executable at the open slips to its limit.
      stop < take, so both cannot be executable at one open. A pair that was joined in (b) counts as entered there, as a whole.
[A14] Age is the order in which orders came to be: of submission, for legs of activation with the stop first.

Inside the candle
[A15] "Entries" are all buys (limit, take_profit, stop), "stops" all stop sells, "profit-side exits" the other sells.
[A16] An order that was submitted for this candle and fills inside it (not at its open) pays the taker fee, as the text says:
      only what rested before the candle opened is maker.
[A17] A stop leg whose parent filled inside this candle fills at min(price at which the parent met the market, stop), not at
      min(open, stop): the account did not hold the position at the open. The contract's formula would sell below the stop
      after a stop buy, and above the entry where stop > limit.
[A18] After a partial fill the rest of a stop waits as the stop it was, and must trigger again.
[A19] max_volume_share is one cap per symbol and candle, used up by market orders first and then in the order of the phases.
      Capped quantities are floored to lots. A cap of which at most 1e-12 is left is used up.
[A20] A stop whose trigger is already passed when it is submitted is accepted and executes at the open.

Reports
[A21] Fill.slippage is the distance between the price before slippage and the price paid, after ticks and limits;
      Fill.model_slippage is what the model said, which is what an engine reports. The price before slippage is the open, the
      trigger, or the limit.
[A22] win_rate is a fraction, None without round trips; profit_factor None without losses; an open trip does not count.
      turnover divides by the mean of the equity after each step and by the years of the episode. exposure looks at the end
      of each step. The drawdown's peak is the last time at which the equity stood at that peak.

Amounts per fill
[A23] A part of a buy pays its amount out of the order's lock, and leaves that much less for the rest; what the lock no longer
      pays ends at the next candle in which some of it could fill. A sale on a spot account pays at most its proceeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from reference.account import Account
from reference.broker import Broker
from reference.inputs import Instrument, Parameters, Series, exact, exact_context
from reference.margin_account import MarginAccount
from reference.margin_broker import MarginBroker
from reference.margin_terms import MarginTerms
from reference.market import Market
from reference.metrics import account_scalars, episode_metrics
from reference.orders import Fill, OrderRequest, Rejection
from reference.schemes import Continuous, HoldBuySell, Portfolio, Situation, TargetPositions
from reference.slippage import (
    FixedSlippage,
    HalfSpreadSlippage,
    NoSlippage,
    SquareRootSlippage,
    UniformSlippage,
    VolumeShareSlippage,
)

__all__ = [
    "Continuous",
    "Episode",
    "EpisodeOver",
    "Fill",
    "FixedSlippage",
    "HalfSpreadSlippage",
    "HoldBuySell",
    "Instrument",
    "MarginTerms",
    "NoSlippage",
    "OpenOrder",
    "OrderRequest",
    "Parameters",
    "Portfolio",
    "Rejection",
    "Series",
    "SquareRootSlippage",
    "StepResult",
    "TargetPositions",
    "UniformSlippage",
    "VolumeShareSlippage",
]


class EpisodeOver(Exception):
    """A step after the end of the episode."""


@dataclass(frozen=True)
class OpenOrder:
    """What of a submission is still in the book after the step."""

    number: int
    order: int
    leg: str
    symbol: int
    side: str
    type: str
    quantity: Decimal
    locked_cash: Decimal


@dataclass(frozen=True)
class StepResult:
    """The account after a step; `previous_equity` and `equity` are the two inputs of the reward.

    `submissions` counts the episode's orders so far, without legs.
    """

    step: int
    row: int
    submissions: int
    fills: list[Fill]
    rejects: list[Rejection]
    open_orders: list[OpenOrder]
    cash: Decimal
    locked_cash: Decimal
    positions: list[Decimal]
    locked_positions: list[Decimal]
    average_entries: list[Decimal]
    previous_equity: Decimal
    equity: Decimal
    position_value: Decimal
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    fees_paid: Decimal
    account: dict[str, Decimal | list[Decimal]]
    terminated: bool
    truncated: bool
    financing_paid: Decimal
    bankruptcy_loss: Decimal


class Episode:
    """A whole episode: rows `start_row` to `end_row` (exclusive; the end of the data when None) of the given candles.

    `bars_per_day` rows before `start_row` must be there: slippage looks at the last 24 h.
    """

    def __init__(
        self, series: list[Series], *, start_row: int, parameters: Parameters, end_row: int | None = None
    ) -> None:
        self.series = series
        self.parameters = parameters
        self.start_row = start_row
        self.end_row = len(series[0]) if end_row is None else end_row
        if start_row < max(1, parameters.bars_per_day) or not start_row < self.end_row <= len(series[0]):
            raise ValueError(f"rows {start_row} to {self.end_row} with {parameters.bars_per_day} rows of history")
        self.market = Market(series, parameters.bars_per_day)
        with localcontext(exact_context()):
            kind = Broker if parameters.margin is None else MarginBroker
            self.broker: Broker | MarginBroker = kind(self.market, parameters, start_row)
        self.results: list[StepResult] = []
        self.over = False

    @property
    def row(self) -> int:
        """The row on which the clock stands."""
        return self.start_row + len(self.results)

    @property
    def curve(self) -> list[Decimal]:
        """The starting balance and the equity after every step: what the rewards are computed from."""
        return [exact(self.parameters.starting_balance), *(result.equity for result in self.results)]

    def step(
        self,
        action: Any = None,
        *,
        submit: Sequence[OrderRequest] = (),
        cancel: Sequence[int | tuple[int, str]] = (),
    ) -> StepResult:
        """One step in the order of section 2; `action` is for the scheme of the parameters."""
        if self.over:
            raise EpisodeOver(f"the episode ended with row {self.row - 1}")
        with localcontext(exact_context()):
            self.broker.open_row(self.row)
            for one in cancel:
                self.broker.cancel(*(one if isinstance(one, tuple) else (one,)))
            for request in submit:
                self.broker.submit(request)
            if action is not None:
                self.broker.submit_wishes(self.parameters.scheme.wishes(action, self._situation()))
            self.broker.match()
            result = self._mark()
        self.results.append(result)
        self.over = result.terminated or result.truncated
        return result

    def metrics(self) -> dict[str, Decimal | int | None]:
        """`episode_metrics` of section 9."""
        with localcontext(exact_context()):
            start = exact(self.parameters.starting_balance)
            return episode_metrics(start, self.results, self.parameters.bars_per_day)

    def _situation(self) -> Situation:
        closes, account = self.market.closes(self.row - 1), self.broker.account
        return Situation(
            equity=account.equity(closes),
            closes=closes,
            positions=list(account.positions),
        )

    def _mark(self) -> StepResult:
        broker, account = self.broker, self.broker.account
        closes = self.market.closes(self.row)
        equity, unrealized = account.equity(closes), account.unrealized_pnl(closes)
        values = [quantity * close for quantity, close in zip(account.positions, closes, strict=True)]
        terminated, truncated = self._flags(equity)
        return StepResult(
            step=len(self.results),
            row=self.row,
            submissions=broker.submissions,
            fills=broker.fills,
            rejects=broker.rejects,
            open_orders=[
                OpenOrder(o.number, o.order, o.leg, o.symbol, o.side, o.type, o.quantity, o.locked_cash)
                for o in sorted(broker.book, key=lambda one: one.number)
            ],
            previous_equity=self.curve[-1],
            equity=equity,
            position_value=sum(values, exact(0)),
            unrealized_pnl=unrealized,
            account=account_scalars(account.cash, account.starting_balance, values, unrealized, equity),
            terminated=terminated,
            truncated=truncated,
            **_snapshot(account),
        )

    def _flags(self, equity: Decimal) -> tuple[bool, bool]:
        at_the_end = self.row + 1 == self.end_row
        ruined = equity <= (1 - exact(self.parameters.max_loss)) * exact(self.parameters.starting_balance)
        terminated, truncated = (at_the_end, ruined)
        if self.parameters.episode_end == "gymnasium":
            terminated, truncated = (ruined, at_the_end)
        elif at_the_end and self.parameters.random_window and self.end_row < len(self.series[0]):
            terminated, truncated = (False, True)
        return terminated, truncated


def _snapshot(account: Account | MarginAccount) -> dict[str, Any]:
    return {
        "financing_paid": getattr(account, "financing_paid", Decimal(0)),
        "bankruptcy_loss": getattr(account, "bankruptcy_loss", Decimal(0)),
        "cash": account.cash,
        "locked_cash": account.locked_cash,
        "positions": list(account.positions),
        "locked_positions": list(account.locked_positions),
        "average_entries": list(account.average_entries),
        "realized_pnl": account.realized_pnl,
        "fees_paid": account.fees_paid,
    }
