"""Everything about a server that somebody may want to set, in one record."""

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from tradeready_gym.errors import ConfigurationError

REGISTRATIONS = ("open", "closed", "first")
FILL_AT = ("next_open", "book")


@dataclass(frozen=True)
class Limits:
    """What a client may ask for at once.

    A `page` is the most of a list that one answer has: of orders, trades, keys, agents, labels and decisions where no
    other is said; `trades_page` is of the orders and trades of a backtest, `curve_page` of its equity.

    Rates are requests a minute, of an account with all of its agents and keys, or of an address for market data, logins
    and registrations; together for all servers on one database. None is no limit, but for a group of which nothing is
    said: it has `requests_per_minute`.
    """

    body_bytes: int = 8 * 1024 * 1024
    page: int = 500
    open_orders_page: int = 200
    backtests_page: int = 200
    trades_page: int = 10_000
    curve_page: int = 100_000
    candles_page: int = 1000
    runs_page: int = 100
    episodes_page: int = 1000
    symbols_page: int = 1000
    symbols_at_once: int = 100
    batch_steps: int = 10_000
    fast_batch_steps: int = 100_000
    episodes_batch: int = 20_000
    compared_runs: int = 20
    open_sessions: int = 64
    requests_per_minute: int | None = None
    orders_per_minute: int | None = None
    backtest_per_minute: int | None = None
    market_per_minute: int | None = None
    training_per_minute: int | None = None
    logins_per_minute: int | None = 30
    registrations_per_minute: int | None = 30
    running_agents: int = 8

    @classmethod
    def documented(cls) -> "Limits":
        """The rates of the documented API."""
        return cls(
            requests_per_minute=600,
            orders_per_minute=100,
            backtest_per_minute=6000,
            market_per_minute=1200,
            training_per_minute=3000,
            logins_per_minute=5,
            registrations_per_minute=3,
        )

    def rates(self) -> dict[str, int | None]:
        """Requests a minute by group."""
        groups = {
            "orders": self.orders_per_minute,
            "backtest": self.backtest_per_minute,
            "market_data": self.market_per_minute,
            "training": self.training_per_minute,
            "general": self.requests_per_minute,
        }
        usual = {name: self.requests_per_minute if rate is None else rate for name, rate in groups.items()}
        return {**usual, "login": self.logins_per_minute, "register": self.registrations_per_minute}


@dataclass(frozen=True)
class Settings:
    """How a server runs.

    Args:
        home: where its state lives, `TRADEREADY_HOME` by default.
        database_url: SQLAlchemy's URL; SQLite in `home` by default.
        host: the interface to listen on; loopback unless somebody decides otherwise.
        port: the port to listen on; 0 takes a free one.
        limits: what a client may ask for at once.
        idle_seconds: a session that nobody stepped for so long is put to sleep; it wakes when it is asked for.
        login_hours: how long a browser stays logged in.
        keep_days: finished backtests and runs older than this are deleted, and backtests that nobody started; None keeps
            them.
        registration: who may make an account over the API: "open", anybody who reaches the server; "closed", nobody;
            "first", whoever comes first, with every scope, as the owner for whom the server makes no key then.
        ingest_journals: whether runs that were recorded on this machine without a platform are taken in.
        feed: where live candles come from: "none", "binance", "ccxt:VENUE", or "replay:DATA:START[:SPEED]" for recorded ones; there
            are paper accounts only with one.
        feed_symbols: what the feed brings, and paper accounts trade.
        feed_timeframe: the length of its candles.
        paper_fill_at: where market orders of new paper accounts fill: "next_open", the open of the running candle, or "book", the
            venue's best bid and ask.
        deployments: whether accounts may let the agents of their runs trade in processes of this machine.
        secure_cookies: whether the browser is told to send the login cookie over HTTPS only.
    """

    home: Path = field(default_factory=lambda: default_home())
    database_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    limits: Limits = field(default_factory=Limits)
    idle_seconds: float = 600.0
    login_hours: float = 24.0 * 7
    keep_days: float | None = None
    registration: str = "open"
    ingest_journals: bool = True
    secure_cookies: bool = False
    feed: str = "none"
    feed_symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    feed_timeframe: str = "1m"
    paper_fill_at: Literal["next_open", "book"] = "next_open"
    deployments: bool = True

    def __post_init__(self) -> None:
        if not self.database_url:
            object.__setattr__(self, "database_url", f"sqlite:///{self.home / 'platform.db'}")
        if self.database_url.startswith(("postgresql://", "postgres://")):
            object.__setattr__(self, "database_url", f"postgresql+psycopg://{self.database_url.partition('://')[2]}")
        if not 0 <= self.port <= 65_535:
            raise ConfigurationError(f"port must be in 0 ... 65535; got {self.port}")
        if self.feed not in {"none", "binance"} and not self.feed.startswith(("ccxt:", "replay:")):
            raise ConfigurationError(
                f"feed must be none, binance, ccxt:VENUE or replay:DATA:START[:SPEED]; got {self.feed!r}"
            )
        if self.paper_fill_at not in FILL_AT:
            raise ConfigurationError(f"paper_fill_at must be one of {', '.join(FILL_AT)}; got {self.paper_fill_at!r}")
        if self.paper_fill_at == "book" and self.feed.startswith("replay:"):
            raise ConfigurationError("fills at the book need a venue with an order book; recorded candles have none")
        for field_ in fields(self.limits):
            rate = getattr(self.limits, field_.name)
            if field_.name.endswith("_per_minute") and rate is not None and rate < 1:
                raise ConfigurationError(f"{field_.name} must be at least 1, or None for no limit; got {rate}")
        if self.registration not in REGISTRATIONS:
            raise ConfigurationError(
                f"registration must be one of {', '.join(REGISTRATIONS)}; got {self.registration!r}"
            )
        if self.keep_days is not None and self.keep_days <= 0:
            raise ConfigurationError(f"keep_days must be positive or None; got {self.keep_days}")


def default_home() -> Path:
    """`$TRADEREADY_HOME`, else `~/.tradeready`."""
    return Path(os.environ.get("TRADEREADY_HOME") or "~/.tradeready").expanduser().absolute()
