"""Trials count themselves, and a result knows how many there were."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from small_worlds import trend_env as market
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import StoreError
from tradeready_gym.exchanges import stochastic_exchange
from tradeready_gym.market import Candles, Span, load_file, stochastic, synthetic
from tradeready_gym.market.processes import PRICE_PROCESSES
from tradeready_gym.market.worlds import trend
from tradeready_gym.strategies import BuyAndHold, Flat
from tradeready_gym.strategies.learned import spans_of
from tradeready_gym.strategies.trials import (
    Trial,
    TrialStore,
    agent_of,
    market_of,
    per_period,
    trial_of,
    trial_of_curve,
)

HOUR = 3_600_000_000


def trial(agent: str, start: int = 0, end: int = 100 * HOUR, market: str = "BTCUSDT", sharpe: float = 0.01) -> Trial:
    return Trial(market, start, end, agent, sharpe)


def test_every_different_agent_on_an_overlapping_span_counts_once(tmp_path: Path) -> None:
    store = TrialStore(tmp_path)
    assert store.known("BTCUSDT", Span(0, HOUR)) == ()
    store.record([trial("a"), trial("b"), trial("a")])
    store.record([trial("a"), trial("c", start=200 * HOUR, end=300 * HOUR), trial("d", market="ETHUSDT")])

    assert [t.agent for t in store.known("BTCUSDT", Span(50 * HOUR, 60 * HOUR))] == ["a", "b"]
    assert [t.agent for t in store.known("BTCUSDT", Span(50 * HOUR, 250 * HOUR))] == ["a", "b", "c"]
    assert [t.agent for t in store.known("ETHUSDT", Span(0, HOUR))] == ["d"]


def test_a_torn_record_loses_itself_alone(tmp_path: Path) -> None:
    store = TrialStore(tmp_path)
    store.record([trial("a"), trial("b")])
    whole = store.path.read_bytes()
    store.path.write_bytes(whole[:-7])
    store.record([trial("c")])
    assert [t.agent for t in store.known("BTCUSDT", Span(0, HOUR))] == ["a", "c"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="not deflated"):
        TrialStore(tmp_path / "file").record([trial("a")])


def test_the_ratio_of_a_trial_is_that_of_its_returns_in_any_timeframe() -> None:
    env = market()
    evaluation = BuyAndHold().evaluate(env)
    equity = evaluation.episodes[0].net_worth
    returns = np.diff(equity) / equity[:-1]
    made = trial_of(evaluation, env.engine, "hold")
    assert made is not None
    assert per_period([made], 3600.0)[0] == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-12)
    assert per_period([made], 4 * 3600.0)[0] == pytest.approx(2.0 * returns.mean() / returns.std(ddof=1), rel=1e-12)


def test_who_never_traded_and_who_was_ruined_have_tried() -> None:
    env = market()
    flat = trial_of(Flat().evaluate(env), env.engine, "flat")
    assert flat is not None and flat.sharpe is None
    assert np.isnan(per_period([flat], 3600.0)).tolist() == [True]
    span = spans_of(env.engine)[0]
    ruined = trial_of_curve([100.0, 110.0, 55.0, 0.0, 0.0], env.engine, span, "ruined")
    returns = np.array([0.1, -0.5, -1.0])
    assert ruined is not None and ruined.sharpe is not None
    assert ruined.sharpe * 60.0 == pytest.approx(returns.mean() / returns.std(ddof=1))
    assert trial_of_curve([100.0, 101.0], env.engine, span, "short") is None


def test_a_trial_without_a_ratio_is_kept(tmp_path: Path) -> None:
    store = TrialStore(tmp_path)
    store.record([trial("a"), Trial("BTCUSDT", 0, HOUR, "flat", None)])
    assert [t.sharpe for t in store.known("BTCUSDT", Span(0, HOUR))] == [0.01, None]


def test_a_portfolio_has_seen_each_of_its_symbols_in_whatever_order(tmp_path: Path) -> None:
    store = TrialStore(tmp_path)
    store.record(
        [trial("a", market="BTCUSDT/ETHUSDT"), trial("b", market="ETHUSDT/BTCUSDT"), trial("c", market="SOLUSDT")]
    )
    store.record([trial("d", market="BTCUSDT synthetic(seed=1)")])
    for looked_at in ("BTCUSDT", "ETHUSDT", "BTCUSDT/ETHUSDT", "SOLUSDT/BTCUSDT"):
        assert {"a", "b"} <= {t.agent for t in store.known(looked_at, Span(0, HOUR))}, looked_at
    assert [t.agent for t in store.known("SOLUSDT", Span(0, HOUR))] == ["c"]
    assert [t.agent for t in store.known("BTCUSDT synthetic(seed=1)", Span(0, HOUR))] == ["d"]


def test_a_look_that_is_not_counted_has_seen_what_was_counted_before(tmp_path: Path) -> None:
    store = TrialStore(tmp_path)
    store.record([trial("a"), trial("b")])
    seen = store.known("BTCUSDT", Span(0, HOUR), also=[trial("b"), trial("mine")])
    assert [t.agent for t in seen] == ["a", "b", "mine"]
    assert len(store.known("BTCUSDT", Span(0, HOUR))) == 2


def test_real_candles_are_one_market_wherever_they_lie_and_simulated_ones_are_one_each() -> None:
    sample = TradingEnvironment(data="sample", feature_pipeline=["returns"], timeframe="1d", lookback_window=2)
    assert market_of(sample.engine) == "BTCUSDT"
    one, other = (market_of(market(data=trend(bars=300, seed=seed)).engine) for seed in (0, 1))
    assert one != other


def simulated_market(model: str, seed: int) -> str:
    exchange = stochastic_exchange(model, paths=1, bars=200, seed=seed)
    return market_of(TradingEnvironment(exchange=exchange, feature_pipeline=["returns"], lookback_window=2).engine)


@pytest.mark.parametrize("model", sorted(PRICE_PROCESSES))
def test_a_trial_on_a_stochastic_exchange_is_none_on_the_real_market_or_on_another_seed(
    model: str, tmp_path: Path
) -> None:
    one, other = simulated_market(model, 0), simulated_market(model, 1)
    store = TrialStore(tmp_path)
    store.record([trial("real"), trial("one", market=one), trial("other", market=other)])
    for looked_at, agent in (("BTCUSDT", "real"), (one, "one"), (other, "other")):
        assert [t.agent for t in store.known(looked_at, Span(0, HOUR))] == [agent]


def test_exchanges_by_name_synthetic_data_and_merged_worlds_are_simulated() -> None:
    settings: dict[str, Any] = {"feature_pipeline": ["returns"], "lookback_window": 2}
    named = TradingEnvironment(exchange="gbm", **settings)
    assert market_of(named.engine).startswith("BTCUSDT GeometricBrownianMotion(")
    made = [TradingEnvironment(data=synthetic(bars=200, timeframe=frame), **settings) for frame in ("1h", "4h")]
    assert {market_of(env.engine) for env in made} == {"BTCUSDT synthetic(seed=0)"}
    both = Candles.merge([trend(bars=200, seed=1), stochastic(bars=200, symbols="ETHUSDT")])
    assert market_of(market(data=both, action_scheme="portfolio").engine) == f"BTCUSDT/ETHUSDT {both.source}"


def test_a_file_that_is_called_like_a_process_is_real(tmp_path: Path) -> None:
    file = tmp_path / "gbm (seed=1).csv"
    times = np.datetime_as_string(np.arange("2024-01-01", "2024-01-03", dtype="datetime64[h]"), timezone="UTC")
    file.write_text("time,open,high,low,close,volume\n" + "".join(f"{time},1,1,1,1,1\n" for time in times))
    env = TradingEnvironment(data=load_file(file, symbol="BTCUSDT"), feature_pipeline=["returns"], lookback_window=2)
    assert market_of(env.engine) == "BTCUSDT"


def test_an_agent_is_its_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.zip").write_bytes(b"weights")
    assert agent_of(tmp_path / "one") == agent_of(tmp_path / "two")
    (tmp_path / "two" / "model.zip").write_bytes(b"others")
    assert agent_of(tmp_path / "one") != agent_of(tmp_path / "two")
