"""The command `tradeready`: thin, each command a few lines into a room."""

import sys
from collections.abc import Sequence

from cyclopts import App

from tradeready_gym.cli.console import complain
from tradeready_gym.errors import TradeReadyError

__all__ = ["app", "main"]

_ROOM = "tradeready_gym.cli"

app = App(
    name="tradeready",
    help="Train trading agents on historical candles, and judge them on candles that they have not seen.",
    version_flags=[],
    suppress_keyboard_interrupt=False,
    help_format="plaintext",
)
# named, not imported: `tradeready version` must not load an engine
for _name, _help in {
    "train": "Train an agent on a span of candles, once per seed, and keep it.",
    "evaluate": "Play a span with a trained agent and with four baselines, at the same costs.",
    "compare": "Play one span with the agents of several runs.",
    "walk-forward": "Train and test fold by fold, every seed anew.",
    "deploy": "Let a trained agent trade now, with virtual money.",
    "serve": "Run the platform: REST API, and the dashboard at /training.",
    "deliver": "Send a platform the training runs that were recorded while it was away.",
    "warm": "Compile the usual combinations of components ahead of time.",
    "version": "Say which versions are installed.",
}.items():
    _function = _name.replace("-", "_")
    app.command(f"{_ROOM}.{_function}:{_function}", name=_name, help=_help)
data = App(name="data", help="Candles on this machine: download, list, check and import them.")
for _name, _help in {
    "download": "Fetch candles of Binance's public archive into the store.",
    "list": "What the store has.",
    "check": "Read every candle of the store and say what is wrong with it.",
    "import": "Take a CSV or Parquet file into the store.",
}.items():
    data.command(f"{_ROOM}.data:{_name}_candles", name=_name, help=_help)
app.command(data)
live = App(name="live", help="Agents at work: list, stop, flatten, resume and remove them.")
for _name, _help in {
    "list": "Every deployment, and how it is.",
    "stop": "End a deployment's process; its account stays.",
    "flatten": "Sell everything and end its process.",
    "resume": "Go on where a deployment stopped.",
    "remove": "Throw a deployment away that is not at work; its name is free again.",
}.items():
    live.command(f"{_ROOM}.deploy:{_name}_live", name=_name, help=_help)
app.command(live)
keys = App(name="keys", help="A server's keys, for who may write its database: list, make and revoke them.")
for _name, _help in {
    "list": "An account's keys: ids, beginnings and scopes.",
    "new": "Make a key, such as for one that was lost, and show it once.",
    "revoke": "Take a key back, at once.",
}.items():
    keys.command(f"{_ROOM}.keys:{_name}_key", name=_name, help=_help)
app.command(keys)


def main(tokens: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. An error that this project raises on purpose is one message, not a traceback."""
    try:
        result = app(tokens if tokens is not None else sys.argv[1:], result_action="return_value")
    except TradeReadyError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        complain("stopped")
        return 130
    return result if isinstance(result, int) else 0
