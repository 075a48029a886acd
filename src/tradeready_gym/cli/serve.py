"""`tradeready serve`."""

import gc
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from tradeready_gym.errors import ConfigurationError

INSTALL = "the platform needs more than the core: pip install 'tradeready-gym[platform]'"


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    home: Path | None = None,
    database_url: str = "",
    idle_seconds: float = 600.0,
    keep_days: float | None = None,
    requests_per_minute: int | None = None,
    documented_rates: Annotated[bool, Parameter(negative=())] = False,
    registration: Literal["open", "closed", "first"] = "open",
    secure_cookies: Annotated[bool, Parameter(negative=())] = False,
    ingest_journals: bool = True,
    feed: str = "none",
    symbol: tuple[str, ...] = ("BTCUSDT", "ETHUSDT", "SOLUSDT"),
    timeframe: str = "1m",
    fill_at: Literal["next_open", "book"] = "next_open",
    deployments: bool = True,
) -> None:
    """Run the platform: REST API at /api/v1, dashboard at /training.

    Parameters
    ----------
    host
        The interface to listen on; others than this machine can reach it only if you say so.
    port
        0 takes a free one.
    home
        Where its state lives; $TRADEREADY_HOME or ~/.tradeready.
    database_url
        postgresql://user@host/name; SQLite under home by default.
    idle_seconds
        A backtest session that nobody stepped for so long leaves the memory; it wakes when it is asked for.
    keep_days
        Delete finished runs and backtests that are older, and backtests that were never started.
    requests_per_minute
        Refuse more of one account, in each group of routes.
    documented_rates
        The limits of the documented API: a minute 100 orders, 6000 for backtests, 1200 for market data, 3000 for training, 600
        for the rest, 5 logins and 3 registrations of one address.
    registration
        Who may make an account over the API: anybody, nobody, or only the first who comes, who then owns the server.
    secure_cookies
        For a server behind HTTPS.
    ingest_journals
        Show the runs that were recorded on this machine without a server.
    feed
        Live candles for paper accounts: binance (its public streams, which need no key), ccxt:VENUE, or replay:DATA:START[:SPEED], such as
        replay:sample:2023-01-01T00:00:00Z:3600 for an hour a second.
    symbol
        What the feed brings and paper accounts trade; say it again for several.
    timeframe
        The length of the feed's candles.
    fill_at
        Where market orders of new paper accounts fill: at the open of the running candle, as in a backtest, or at the venue's best bid
        and ask when they come.
    deployments
        Let accounts deploy the agents of their runs, each in a process of this machine.
    """
    try:
        with _kept():
            import uvicorn

            from tradeready_gym.platform import Limits, Settings
            from tradeready_gym.platform.accounts import ensure_owner, is_owned
            from tradeready_gym.platform.app import create_app
            from tradeready_gym.platform.settings import default_home
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{INSTALL} ({error})") from error
    if documented_rates and requests_per_minute is not None:
        raise ConfigurationError("--documented-rates sets every limit; give it or --requests-per-minute, not both")
    settings = Settings(
        home=(home or default_home()).expanduser().absolute(),
        database_url=database_url,
        host=host,
        port=port,
        limits=Limits.documented() if documented_rates else Limits(requests_per_minute=requests_per_minute),
        registration=registration,
        idle_seconds=idle_seconds,
        keep_days=keep_days,
        secure_cookies=secure_cookies,
        ingest_journals=ingest_journals,
        feed=feed,
        feed_symbols=symbol,
        feed_timeframe=timeframe,
        paper_fill_at=fill_at,
        deployments=deployments,
    )
    if feed != "none":
        from tradeready_gym.live.feeds import check_feed

        check_feed(feed, symbol, timeframe)
    listening = _listen(host, port)
    app = create_app(settings)
    key = None if registration == "first" else ensure_owner(app.state.platform.database)
    port = listening.getsockname()[1]
    _say(
        f"TradeReady listens on http://{f'[{host}]' if ':' in host else host}:{port}  (dashboard: /training, API: /docs)"
    )
    owned = is_owned(app.state.platform.database)
    if not owned:
        _say("Nobody owns this server yet: whoever first calls POST /api/v1/auth/register does.")
    if key is not None:
        _say(f"API key, shown only this once: {key}")
        _say("Paste it into the dashboard's login, or use it in gym.make(..., api_key=...).")
    if owned:
        _say(f"A key that was lost is replaced by `{_another_key(home, database_url)}`, on this machine.")
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            ws="websockets-sansio",
            timeout_graceful_shutdown=5,
            proxy_headers=False,  # anybody on this machine could say that it is somebody else, and log in without a limit
        )
    )
    app.state.server = server  # streams of events end when it does
    server.run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends without delay (TCP_NODELAY) only where the protocol is said; else each answer may wait 40 ms
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror or error}. Is another server running? --port 0 takes a free port"
        ) from error
    return listening


@contextmanager
def _kept() -> Iterator[None]:
    # what is imported stays: to look for garbage in it, again and again, takes a seventh of the start
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _another_key(home: Path | None, database_url: str) -> str:
    # an address may have a password in it
    below = f" --home {shlex.quote(str(home.expanduser().absolute()))}" if home else ""
    return f"tradeready keys new{' --database-url ...' if database_url else below}"


def _say(line: str) -> None:
    # whoever starts the server from a script reads this through a pipe
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
