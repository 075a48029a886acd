"""Words on the pages, for who meets them for the first time."""

_RISK = (
    ("Return", "what the account gained or lost, in per cent of the starting balance, after all fees and slippage."),
    (
        "Drawdown, DD",
        "how far the account was below its highest value so far. The deepest is what an owner would have had to sit through.",
    ),
    (
        "Sharpe ratio",
        "mean return over its fluctuation, per year. 0 is no gain for the risk; about 1 is good for a year of trading; a bare "
        "figure says nothing about luck.",
    ),
)
_RATIOS = (
    "Sortino, Calmar, Omega",
    "mean return over the fluctuation of losses only; return of a year over the deepest drawdown; gains over losses of single "
    "steps, where 1 is even.",
)
_LUCK = (
    (
        "Seed",
        "one training with its own random numbers. The same program with another seed becomes another trader: what only one "
        "seed does is luck.",
    ),
    (
        "Trial",
        "one agent that was looked at on this market and time, good or bad. The best of many looks good without knowing "
        "anything.",
    ),
    (
        "Deflated Sharpe",
        "the probability that the true Sharpe ratio is above what the best of that many trials would reach by luck alone. "
        "Above 0.95 is worth a second look.",
    ),
)

_RANDOM = (
    "Random traders",
    "traders who hold what the agent held and trade as much, at the same costs, but when they do it is drawn by dice. Who is "
    "not ahead of them has learned nothing that pays.",
)

EVALUATION = (
    *_RISK,
    _RATIOS,
    (
        "Turnover, time in",
        "how many times a year the account was bought or sold over; the share of the time with a position.",
    ),
    (
        "Round trip, profit factor",
        "from the first buy to flat again; what the winning ones made for each unit that the others lost, after fees.",
    ),
    *_LUCK,
    _RANDOM,
)

WALK_FORWARD = (
    (
        "Fold",
        "one training and the test right after it. The tests follow one another; each agent is trained anew on what lies before "
        "its test, and has seen nothing of it.",
    ),
    (
        "Purge, embargo",
        "candles between training and test that are used for neither, so that nothing that reaches across is learned.",
    ),
    *_RISK,
    _RATIOS,
    (
        "IQM",
        "the mean of the middle half of all seeds and tests: neither the luckiest nor the unluckiest decide.",
    ),
    (
        "[low, high]",
        "where the mean of very many seeds would lie, in 95 of 100 such experiments. It is about the luck of learning, not about "
        "what markets will do.",
    ),
    *_LUCK,
    _RANDOM,
)
