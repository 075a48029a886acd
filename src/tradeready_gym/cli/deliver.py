"""`tradeready deliver`."""

import os
from pathlib import Path

from tradeready_gym.cli.console import complain, out
from tradeready_gym.errors import ConfigurationError


def deliver(
    *run_ids: str,
    api_key: str | None = None,
    base_url: str | None = None,
    directory: Path | None = None,
    timeout_s: float = 60.0,
) -> int:
    """Send a platform the episodes that the journals on this machine hold for it.

    Parameters
    ----------
    run_ids
        These runs only, also such as were recorded without a platform; by default all that were meant for it.
    api_key
        Key of the platform; $TRADEREADY_API_KEY by default.
    base_url
        Its address; $TRADEREADY_URL by default, else http://localhost:8000.
    directory
        Where the journals are; TRADEREADY_HOME/runs by default.
    timeout_s
        For how long a platform that is away is tried again.
    """
    from tradeready_gym.tracking import deliver_pending

    key = api_key or os.environ.get("TRADEREADY_API_KEY")
    if not key:
        raise ConfigurationError("a platform wants a key: give --api-key, or set TRADEREADY_API_KEY")
    deliveries = deliver_pending(
        api_key=key, base_url=base_url, directory=directory, run_ids=run_ids, timeout_s=timeout_s
    )
    for delivery in deliveries:
        out().print(f"{delivery.run_id}: {delivery.episodes:,} episodes sent", soft_wrap=True)
        if delivery.problem is not None:
            complain(f"{delivery.run_id}: {delivery.problem}")
    if not deliveries:
        out().print("nothing waits to be delivered")
    return int(any(delivery.problem is not None for delivery in deliveries))
