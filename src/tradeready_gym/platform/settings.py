"""Everything about a server that somebody may want to set, in one record."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from tradeready_gym.errors import ConfigurationError


@dataclass(frozen=True)
class Limits:
    """What a client may ask for at once. Rates are requests a minute and account, in each process; None is no limit."""

    body_bytes: int = 8 * 1024 * 1024
    page: int = 500
    candles_page: int = 1000
    batch_steps: int = 10_000
    fast_batch_steps: int = 100_000
    episodes_batch: int = 20_000
    compared_runs: int = 20
    open_sessions: int = 64
    requests_per_minute: int | None = None
    logins_per_minute: int | None = 30


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
        keep_days: finished backtests and runs older than this are deleted; None keeps them.
        ingest_journals: whether runs that were recorded on this machine without a platform are taken in.
        feed: where live candles come from: "none", "binance", or "replay:DATA:START[:SPEED]" for recorded ones; there are paper
            accounts only with one.
        feed_symbols: what the feed brings, and paper accounts trade.
        feed_timeframe: the length of its candles.
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
    ingest_journals: bool = True
    secure_cookies: bool = False
    feed: str = "none"
    feed_symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    feed_timeframe: str = "1m"

    def __post_init__(self) -> None:
        if not self.database_url:
            object.__setattr__(self, "database_url", f"sqlite:///{self.home / 'platform.db'}")
        if self.database_url.startswith(("postgresql://", "postgres://")):
            object.__setattr__(self, "database_url", f"postgresql+psycopg://{self.database_url.partition('://')[2]}")
        if not 0 <= self.port <= 65_535:
            raise ConfigurationError(f"port must be in 0 ... 65535; got {self.port}")
        if self.feed not in {"none", "binance"} and not self.feed.startswith("replay:"):
            raise ConfigurationError(f"feed must be none, binance or replay:DATA:START[:SPEED]; got {self.feed!r}")
        if self.limits.requests_per_minute is not None and self.limits.requests_per_minute < 1:
            raise ConfigurationError(
                f"requests_per_minute must be at least 1, or None for no limit; got {self.limits.requests_per_minute}"
            )
        if self.keep_days is not None and self.keep_days <= 0:
            raise ConfigurationError(f"keep_days must be positive or None; got {self.keep_days}")


def default_home() -> Path:
    """`$TRADEREADY_HOME`, else `~/.tradeready`."""
    return Path(os.environ.get("TRADEREADY_HOME") or "~/.tradeready").expanduser().absolute()
