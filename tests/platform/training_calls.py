"""What a client of the training routes says."""

import threading
import uuid
from typing import Any

from serving import Served

API = "/api/v1/training"


def new_run(served: Served, label: str = "ppo_v1", **fields: Any) -> str:
    """Register a run; its id."""
    run_id = str(uuid.uuid4())
    body = {"run_id": run_id, "config": {"strategy_label": label}} | fields
    served.client.post(f"{API}/runs", json=body).raise_for_status()
    return run_id


def report(served: Served, run_id: str, number: int, **metrics: Any) -> dict[str, Any]:
    """Report one episode; the run as it is answered."""
    answer = served.client.post(f"{API}/runs/{run_id}/episodes", json={"episode_number": number} | metrics)
    answer.raise_for_status()
    run: dict[str, Any] = answer.json()
    return run


def batch(served: Served, run_id: str, **columns: Any) -> dict[str, Any]:
    """Report many episodes; the run as it is answered."""
    answer = served.client.post(f"{API}/runs/{run_id}/episodes/batch", json={"columns": columns})
    answer.raise_for_status()
    run: dict[str, Any] = answer.json()
    return run


def written_by_eight(served: Served) -> dict[str, Any]:
    """A run of 800 episodes whose ROI is their number, each reported by two of eight writers at once."""
    run_id, statuses = new_run(served), []

    def write(offset: int) -> None:
        for begin in range(0, 200, 20):
            numbers = [begin + offset % 4 * 200 + place + 1 for place in range(20)]
            values = {"episode_number": numbers, "roi_pct": [float(number) for number in numbers]}
            answer = served.client.post(f"{API}/runs/{run_id}/episodes/batch", json={"columns": values})
            statuses.append(answer.status_code)

    threads = [threading.Thread(target=write, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if statuses != [200] * 80:
        raise RuntimeError(f"not every batch was taken in: {sorted(set(statuses))}")
    run: dict[str, Any] = served.client.get(f"{API}/runs/{run_id}").json()
    return run
