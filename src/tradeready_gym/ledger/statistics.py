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
    change = 0.0
    if account.previous_equity > 0.0:
        change = (equity - account.previous_equity) / account.previous_equity
    steps = account.steps + 1
    account.steps = steps
    delta = change - account.return_mean
    account.return_mean += delta / steps
    account.return_m2 += delta * (change - account.return_mean)
    if change < 0.0:
        account.downside_sum += change * change
    account.equity_sum += equity
    if held:
        account.exposed_steps += 1
    update_drawdown(account, equity, steps)


@kernel
def update_drawdown(account: Any, equity: float, steps: int) -> None:
    """The deepest fall so far, and how long it took from its peak to its recovery (or to now)."""
    if equity >= account.peak_equity:
        if account.drawdown_peak_step == account.peak_step:
            account.drawdown_steps = steps - account.peak_step
        account.peak_equity = equity
        account.peak_step = steps
        return
    fall = (account.peak_equity - equity) / account.peak_equity
    if fall > account.max_drawdown:
        account.max_drawdown = fall
        account.drawdown_peak_step = account.peak_step
    if account.drawdown_peak_step == account.peak_step:
        account.drawdown_steps = steps - account.peak_step
