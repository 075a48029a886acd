"""What the words on the pages mean, for those who know markets and for those who know learning, but not both."""

TERMS = {
    "backtest": ("Backtest", "A strategy played over past candles, as if it had traded then, with fees and slippage."),
    "band": (
        "90 % band",
        "Where nine of ten accounts would be that do as the agent did in its backtest. Below it for long: something is worse "
        "than it was there.",
    ),
    "buy_and_hold": (
        "Buy and hold",
        "Buying once at the beginning and selling never: what a strategy must beat to be worth its trades.",
    ),
    "candle": ("Candle", "The first, highest, lowest and last price of a span of time, such as an hour."),
    "clock": (
        "Clock",
        "The time of the candles, in UTC. In a rehearsal it is that of the recording, and runs as fast as was asked.",
    ),
    "delay": ("Delay", "How long its candle had been open when a decision came."),
    "drawdown": (
        "Drawdown",
        "How far the equity is below its highest so far, in per cent. The largest one says how bad it was to hold on.",
    ),
    "episode": (
        "Episode",
        "One attempt: the agent begins with the starting balance and trades until the span ends or the money is gone.",
    ),
    "equity": ("Equity", "Cash and everything held, at the newest price: what the account is worth."),
    "fee": ("Fee", "What the exchange takes of every fill; 0.1 % of its value unless said otherwise."),
    "feed": (
        "Feed",
        "Where candles come from. It is up to date when the newest closed candle is here; until then nothing is decided.",
    ),
    "kill_switch": (
        "Kill switch",
        "If a day (UTC) loses so much of the equity that it began with, everything is sold and the agent ends.",
    ),
    "length": ("Length", "Steps of an episode: how often the agent decided."),
    "missed": ("Missed", "Candles that closed since the last decision and were passed over without one."),
    "moved": (
        "Moved",
        "How far the price was from the open of the candle when a decision came, in per cent. A fill at that open is a price "
        "that was gone by then: what moved the agent's way flatters it.",
    ),
    "profit_factor": (
        "Profit factor",
        "What the winning trades won, divided by what the losing ones lost. Below 1 the trades lose money.",
    ),
    "reward": (
        "Reward",
        "What the agent is trained on, summed over an episode. It depends on the reward that was chosen: compare only "
        "runs that share it.",
    ),
    "roi": (
        "ROI",
        "Return on investment: how much the equity has grown since the beginning, in per cent, after costs.",
    ),
    "seed": ("Seed", "The number that all chance of an episode is drawn from: the same seed gives the same episode."),
    "sharpe": (
        "Sharpe ratio",
        "Mean return divided by its spread, for a year. Above 1 is good and above 2 rare; on short spans it says little.",
    ),
    "silent": ("Silent", "It should be running, and has sent nothing for five minutes: it may have been killed."),
    "slippage": ("Slippage", "How much worse than the quoted price an order was filled, because it was large."),
    "smoothing": (
        "Smoothing",
        "The line is the mean of so many episodes before it. Single episodes are noisy: look at the trend.",
    ),
    "sortino": ("Sortino ratio", "Like the Sharpe ratio, but only falls count as risk."),
    "trades": ("Trades", "Fills: buys and sales counted one by one."),
    "win_rate": ("Win rate", "How many of the closed positions made a profit. It says nothing about how much."),
}


def meaning(key: str) -> str:
    """The explanation of a term."""
    return TERMS[key][1]
