"""`tradeready deploy`, and `tradeready live ...`."""

import os
import time
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from tradeready_gym.cli.console import complain, err, out
from tradeready_gym.cli.options import AllowNames
from tradeready_gym.errors import ConfigurationError, StoreError, TradeReadyError

if TYPE_CHECKING:
    from tradeready_gym.live.deployments import Deployment

_STARTED_WITHIN = 90.0


def deploy(
    run: str,
    *,
    symbol: tuple[str, ...] = (),
    timeframe: str | None = None,
    seed: int | None = None,
    name: str | None = None,
    feed: str = "binance",
    fill_at: Literal["next_open", "book"] = "next_open",
    data: str = "sample",
    start: str | None = None,
    speed: float | None = None,
    daily_loss_pct: float = 20.0,
    max_position_pct: float | None = None,
    max_order_pct: float | None = None,
    orders_per_minute: int | None = None,
    stale_after: float | None = None,
    max_missed: int | None = None,
    steps: int | None = None,
    allow: AllowNames = (),
    background: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Let a trained agent trade now, with virtual money at real prices; or rehearse it on recorded candles.

    Parameters
    ----------
    run
        The folder that `tradeready train` wrote, or its name below TRADEREADY_HOME/models.
    symbol
        What to trade; what it was trained on by default.
    timeframe
        The timeframe that it was trained on by default, and no other will do.
    seed
        Which of the run's agents; the first by default.
    name
        What the deployment is called; the run's name by default.
    feed
        binance: its public streams, which need no key. ccxt:VENUE, such as ccxt:kraken: any venue of ccxt. replay: recorded
        candles.
    fill_at
        next_open: market orders fill at the open of the candle, as in the backtest. book: at the venue's best bid and ask at the
        decision, which no backtest equals.
    data
        For a replay: what to play; as `data=` of an environment.
    start
        For a replay: the first candle; the end of what the agent learned from by default.
    speed
        For a replay: how many times as fast as the market; as fast as the agent decides by default.
    daily_loss_pct
        Sell everything and end if a day (UTC) loses so much.
    max_position_pct
        Refuse orders that would make a position of more than so many per cent of the equity; no limit by default.
    max_order_pct
        Refuse orders that are worth more than so many per cent of the equity; no limit by default.
    orders_per_minute
        Refuse what comes beyond so many orders in a minute; no limit by default.
    stale_after
        Decide nothing by what was seen so many seconds ago; one candle by default.
    max_missed
        Sell everything and end if so many candles close before the agent's decisions come, one after the other; no limit by
        default.
    steps
        End after so many decisions.
    background
        Return at once and trade in a process of its own.
    """
    from tradeready_gym.live.deployments import Deployment
    from tradeready_gym.live.feeds import check_feed
    from tradeready_gym.live.full_disk import refusals_in_words
    from tradeready_gym.live.risk import AgentLimits
    from tradeready_gym.registration import REGISTERED, pairs_in
    from tradeready_gym.strategies.experiment import Experiment, find_folder
    from tradeready_gym.strategies.mismatch import allowed_of

    folder = find_folder(run)
    experiment = Experiment.load(folder)
    own = pairs_in(experiment.arguments.get("data"), REGISTERED[experiment.environment]["pairs"])
    pairs = symbol or tuple(experiment.arguments.get("pairs", own))
    if feed == "replay":
        where = f"replay:{data}:{start or experiment.end}:{'max' if speed is None else f'{speed:g}'}"
    elif feed == "binance" or feed.startswith("ccxt:"):
        where = feed
    else:
        raise ConfigurationError(f"--feed is binance, ccxt:VENUE or replay; got {feed!r}")
    if fill_at == "book" and feed == "replay":
        raise ConfigurationError("--fill-at book needs a venue with an order book; recorded candles have none")
    deployment = Deployment(
        name=name or folder.name,
        run=str(folder.absolute()),
        seed=experiment.seeds[0] if seed is None else seed,
        symbols=tuple(pair.upper() for pair in pairs),
        timeframe=timeframe or str(experiment.arguments.get("timeframe", "1h")),
        feed=where,
        daily_loss_pct=daily_loss_pct,
        arguments={} if fill_at == "next_open" else {"fill_at": fill_at},
        limits=AgentLimits(max_position_pct, max_order_pct, orders_per_minute, stale_after, max_missed).to_plain(),
        allow=tuple(sorted(allowed_of(allow))),
    )
    check_feed(deployment.feed, deployment.symbols, deployment.timeframe)
    new = not deployment.folder.exists()
    with refusals_in_words(deployment):
        deployment.save()
    try:
        return _start(deployment, steps, background)
    except TradeReadyError:
        # what failed before it traded leaves its name to the next attempt
        if new and not background and "equity" not in deployment.status:
            deployment.remove()
        raise


def list_live() -> int:
    """Every deployment, and how it is. Exit code 1 if the files of one are damaged."""
    from tradeready_gym.live.deployments import Deployment, deployment_names

    table = Table("name", "state", "trades", "clock", "equity", "return %", "position", "feed")
    names, problems, failed = deployment_names(), [], []
    for name in names:
        try:
            deployment = Deployment.load(name)
            table.add_row(*_row_of(deployment))
            status = deployment.status
            if status["state"] == "failed" and status.get("problem"):
                failed.append(f"{name}: {status['problem']}")
        except StoreError as error:
            table.add_row(name, "DAMAGED")
            problems.append(f"{name}: {error}")
    out().print(table if names else "Nothing is deployed. `tradeready deploy RUN` begins.")
    for said in failed:
        err().print(Text(said), soft_wrap=True)
    for problem in problems:
        complain(problem)
    return int(bool(problems))


def stop_live(name: str) -> None:
    """End a deployment's process; it sells nothing, and `resume` goes on. A decision that waits for its candle is taken back."""
    _ask(name, "stop")


def flatten_live(name: str) -> None:
    """Cancel its orders, sell everything, and end its process."""
    _ask(name, "flatten")


def resume_live(
    name: str, *, steps: int | None = None, background: Annotated[bool, Parameter(negative=())] = False
) -> int:
    """Go on where the deployment's journal ends.

    Parameters
    ----------
    name
        As `tradeready live list` shows it.
    steps
        End after so many decisions.
    background
        Return at once and trade in a process of its own.
    """
    from tradeready_gym.live.deployments import Deployment

    deployment = Deployment.load(name)
    status = deployment.status
    # whoever started this process has written its number down already
    if status["alive"] and status["pid"] != os.getpid():
        raise ConfigurationError(f"{name} is running already (process {status['pid']})")
    return _start(deployment, steps, background)


def remove_live(name: str) -> None:
    """Throw away a deployment that is not at work, with its account, journal and log; its name is free again.

    Parameters
    ----------
    name
        As `tradeready live list` shows it.
    """
    from tradeready_gym.live.deployments import Deployment

    Deployment.load(name).remove()
    out().print(f"{name} is removed")


def _row_of(deployment: "Deployment") -> tuple[str, ...]:
    status = deployment.status
    gone = status["state"] in {"starting", "running"} and not status["alive"]
    equity, roi = status.get("equity"), status.get("roi_pct")
    held = ", ".join(f"{quantity:.6g} {symbol}" for symbol, quantity in status.get("positions", {}).items())
    return (
        deployment.name,
        "gone (resume it)" if gone else status["state"],
        "/".join(deployment.symbols) + " " + deployment.timeframe,
        str(status.get("virtual_time", "-")),
        "-" if equity is None else f"{equity:,.2f}",
        "-" if roi is None else f"{roi:.2f}",
        held or "none",
        "stale" if status.get("stale") else str(status.get("feed", {}).get("state", "-")),
    )


def _start(deployment: "Deployment", steps: int | None, background: bool) -> int:
    from tradeready_gym.live.feeds import make_feed
    from tradeready_gym.live.full_disk import refusals_in_words
    from tradeready_gym.strategies.deployment import work
    from tradeready_gym.strategies.expectation import write_expectation

    if background:
        with refusals_in_words(deployment):
            _spawn(deployment, steps)
        return 0
    err().print(
        f"{deployment.name} trades {'/'.join(deployment.symbols)} {deployment.timeframe}; Ctrl-C ends it, `resume` goes on"
    )
    try:
        # before the feed, whose clock runs
        with refusals_in_words(deployment):
            err().print(write_expectation(deployment).basis, soft_wrap=True)
        feed = make_feed(deployment.feed, deployment.symbols, deployment.timeframe)
        status = work(deployment, feed, steps=steps)
    except KeyboardInterrupt:
        err().print(_interrupted(deployment), soft_wrap=True)
        return 130
    out().print(
        f"{deployment.name}: {status['state']} at {status.get('virtual_time', '-')}, equity {status.get('equity', 0.0):,.2f} "
        f"({status.get('roi_pct', 0.0):+.2f} %), {status.get('step', 0)} decisions",
        soft_wrap=True,
    )
    if status.get("problem"):
        err().print(status["problem"], soft_wrap=True)
    return 0


def _interrupted(deployment: "Deployment") -> str:
    status = deployment.status
    if "equity" not in status:
        return f"{deployment.name}: interrupted before it traded; `tradeready live resume {deployment.name}` begins"
    positions = status.get("positions", {}).items()
    held = ", ".join(f"{quantity:.6g} {symbol}" for symbol, quantity in positions) or "nothing"
    return (
        f"{deployment.name}: interrupted at {status['virtual_time']} after {status['step']} candles. Nothing was sold: it holds "
        f"{held}, equity {status['equity']:,.2f}. `tradeready live resume {deployment.name}` goes on"
    )


def _spawn(deployment: "Deployment", steps: int | None) -> None:
    from tradeready_gym.live.processes import start

    process = start(deployment, steps=steps)
    log = deployment.folder / "log.txt"
    begin = time.monotonic()
    while time.monotonic() - begin < _STARTED_WITHIN:
        if deployment.status["state"] not in {"starting", "failed"}:
            out().print(f"{deployment.name} runs as process {process.pid}; `tradeready live list` shows it")
            return
        if process.poll() is not None:
            raise ConfigurationError(
                f"{deployment.name} ended at once; {log} says why. `tradeready live remove {deployment.name}` frees its name"
            )
        time.sleep(0.1)
    raise ConfigurationError(f"{deployment.name} has not begun within {_STARTED_WITHIN:.0f} s; {log} says more")


def _ask(name: str, order: str) -> None:
    from tradeready_gym.live.deployments import Deployment

    deployment = Deployment.load(name)
    deployment.ask(order)
    begin = time.monotonic()
    while deployment.status["alive"] and time.monotonic() - begin < _STARTED_WITHIN:
        time.sleep(0.1)
    status = deployment.status
    out().print(f"{name}: {status['state']}, equity {status.get('equity', 0.0):,.2f}")
    if status.get("problem"):
        err().print(status["problem"], soft_wrap=True)
