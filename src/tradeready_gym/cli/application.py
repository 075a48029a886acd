"""Which commands there are."""

from cyclopts import App

from tradeready_gym import __version__
from tradeready_gym.cli.data import data
from tradeready_gym.cli.training import evaluate, train
from tradeready_gym.cli.warm import warm

app = App(
    name="tradeready",
    help="Trading environments for reinforcement learning: candles, training, honest evaluation.",
    version=__version__,
    result_action="return_value",
)
app.command(data)
app.command(train)
app.command(evaluate)
app.command(warm)
