"""A paper account behind the real client, on a venue that misbehaves: the backtest's numbers all the same."""

import time
from pathlib import Path

from test_binance_feed import HISTORY, START, recording

from tradeready_gym.exchanges import SimulatedExchange
from tradeready_gym.live import BinanceFeed
from tradeready_gym.live.hub import FeedHub
from tradeready_gym.live.paper import PaperAccount
from tradeready_gym.live.replica import Replica
from tradeready_gym.orders import Order

FAULTS = {3: ["disconnect"], 6: ["duplicate", "late"], 9: ["drop"], 12: ["http_503", "malformed"], 15: ["swap"]}
SLOTS, MINUTE = 24, 60_000_000


def test_an_account_on_a_misbehaving_venue_equals_the_backtest(tmp_path: Path) -> None:
    replica = Replica(recording(), START, speed=120.0, faults=FAULTS)
    with replica.serving():
        feed = BinanceFeed(
            replica.candles.symbols, "1m", rest_url=replica.rest_url, stream_url=replica.stream_url, clock=replica.clock,
            patience=20.0, seed=0,
        )  # fmt: skip
        hub = FeedHub(feed, kept=HISTORY)
        paper = PaperAccount(hub, journal=tmp_path / "a.journal", slippage=0.0005, patience=5.0)
        hub.start()
        paper.start()
        begin, clock, k = paper.ledger.clock, 0, 0
        while clock < begin + SLOTS * MINUTE:
            clock = paper.look(lambda ledger: ledger.clock)
            if clock >= begin + 3 * k * MINUTE:
                side = "sell" if k % 3 == 2 else "buy"
                assert paper.submit(Order("BTCUSDT", side, 0.002)).status == "filled"
                k += 1
            time.sleep(0.01)
        paper.close()
        clock, equity = paper.look(lambda ledger: (ledger.clock, ledger.exchange.net_worth))
        fills = list(paper.ledger.records.fills)
        hub.close()
    assert len(fills) == k >= 8
    backtest = SimulatedExchange(replica.candles, slippage=0.0005)
    backtest.reset(begin)
    for moment in range(begin, clock + MINUTE, MINUTE):
        for fill in fills:
            if fill.executed_at == moment:
                answer = backtest.submit([Order("BTCUSDT", fill.side, fill.quantity)])[0]
                assert (answer["price"], answer["fee"]) == (fill.price, fill.fee)
        if moment < clock:
            backtest.match()
            backtest.mark()
    assert backtest.net_worth == equity
    assert set(replica.told.faults) >= {"disconnect", "drop"}
    # the journal alone gives the same account
    again = PaperAccount(SilentHub(hub, clock), journal=tmp_path / "a.journal", patience=0.0)
    assert (again.ledger.clock, again.ledger.exchange.net_worth) == (clock, equity)


class SilentHub(FeedHub):
    """The hub after its end, at its last clock."""

    def __init__(self, hub: FeedHub, clock: int) -> None:
        self.__dict__.update(vars(hub))
        self._at = clock

    def now(self) -> int:
        """The last clock."""
        return self._at
