"""What the episode's metrics are made of, kept in constant memory while the episode runs.

Mean and spread of the returns by Welford's recurrence (B. P. Welford, Technometrics 4, 1962); the formulas that turn these
numbers into metrics are in `evaluation`.
"""

from typing import Any

from tradeready_gym.kernel import kernel


@kernel
def reset_statistics(account: Any) -> None:
    """Forget the last episode."""
    account.steps = 0
    account.trades = 0
    account.traded_value = 0.0
    account.return_mean = 0.0
    account.return_m2 = 0.0
    account.downside_sum = 0.0
    account.equity_sum = 0.0
    account.reward_sum = 0.0
    account.max_drawdown = 0.0
    account.peak_step = 0
    account.drawdown_peak_step = -1
    account.drawdown_steps = 0
    account.exposed_steps = 0
    account.round_trips = 0
    account.winning_trips = 0
    account.gross_profit = 0.0
    account.gross_loss = 0.0


@kernel
def update_statistics(account: Any, held: bool) -> None:
    """Take in one marked step: from `previous_equity` to `equity`."""
    equity = account.equity
    previous = account.previous_equity
    mean = account.return_mean
    steps = account.steps + 1
    change = (equity - previous) / previous if previous > 0.0 else 0.0
    delta = change - mean
    mean += delta / steps
    account.steps = steps
    account.return_mean = mean
    account.return_m2 += delta * (change - mean)
    loss = min(change, 0.0)
    account.downside_sum += loss * loss
    account.equity_sum += equity
    account.exposed_steps += held
    update_drawdown(account, equity, steps)


@kernel
def update_drawdown(account: Any, equity: float, steps: int) -> None:
    """The deepest fall so far, and how long it took from its peak to its recovery (or to now)."""
    # choices instead of branches: which way a market goes is what a processor cannot foresee
    peak = account.peak_equity
    peak_step = account.peak_step
    fall = (peak - equity) / peak
    deeper = fall > account.max_drawdown
    bottom_peak_step = peak_step if deeper else account.drawdown_peak_step
    account.max_drawdown = fall if deeper else account.max_drawdown
    account.drawdown_peak_step = bottom_peak_step
    account.drawdown_steps = steps - peak_step if bottom_peak_step == peak_step else account.drawdown_steps
    risen = equity >= peak
    account.peak_equity = equity if risen else peak
    account.peak_step = steps if risen else peak_step
