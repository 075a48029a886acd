"""What the platform does a second with training runs: taken in over HTTP and from journals, listed, drawn.

    python benchmarks/platform_training.py [runs] [episodes]

Fills a database with runs x episodes by SQL (1,000 x 10,000 by default), starts a server on loopback, and times its routes.
"""

import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "platform"))

from serving import Served, serving
from sqlalchemy import text

from tradeready_gym.platform.ingest import JournalIngest
from tradeready_gym.tracking import TrainingTracker

API = "/api/v1/training"
BATCH, BATCHES = 10_000, 5
TOTALS = '{"roi_pct": {"count": 10000, "sum": 1.0, "best": 2.0, "worst": -1.0}}'
FILL_RUNS = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :runs)
    INSERT INTO training_runs SELECT printf('00000000-0000-4000-8000-%012d', i),
        (SELECT id FROM accounts ORDER BY created_at LIMIT 1), 'label_' || (i % 20), NULL, '{}', 'completed', :episodes, :totals,
        1700000000000000 + i, 1700000000000000 + i, 1700000000000000 + i FROM n"""
FILL_EPISODES = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :episodes)
    INSERT INTO training_episodes SELECT printf('00000000-0000-4000-8000-%012d', :run), i, NULL,
        (i * 7919 % 1000) / 100.0, 1.0, 5.0, 10, i / 1000.0, 500, i, 1700000000000000 + i FROM n"""
QUERIES = {
    "list": "SELECT * FROM training_runs WHERE account_id = 'a' ORDER BY started_at DESC, id LIMIT 50",
    "list by label": "SELECT * FROM training_runs WHERE account_id = 'a' AND strategy_label = 'x' ORDER BY started_at DESC, id",
    "curve": "SELECT episode_number, roi_pct FROM training_episodes WHERE run_id = 'a' ORDER BY episode_number",
    "last number": "SELECT max(episode_number) FROM training_episodes WHERE run_id = 'a'",
    "labels": "SELECT strategy_label, count(*) FROM training_runs WHERE account_id = 'a' GROUP BY strategy_label",
}


def main(runs: int, episodes: int) -> None:
    """Fill, serve, time, report."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), ingest_journals=False) as server:
        server.client.event_hooks = {"response": []}  # answers are held against the schema by the tests, not here
        say(f"{runs:,} runs x {episodes:,} episodes", fill(server, runs, episodes), "s to fill by SQL")
        for name, plan in plans(server).items():
            sys.stdout.write(f"  {name}: {plan}\n")
        one = f"{API}/runs/00000000-0000-4000-8000-{runs:012d}"
        for path in (
            "/training",
            f"/training/{one.rsplit('/', 1)[1]}",
            f"{API}/runs?limit=100",
            f"{API}/runs?limit=100&strategy_label=label_3",
            f"{API}/labels",
            one,
            f"{one}/learning-curve",
            f"{one}/learning-curve?points=600",
            f"{one}/episodes?sort=roi_pct&order=desc",
            f"{one}/episodes?search=99",
        ):
            say(path.replace(one.rsplit("/", 1)[1], "ID"), *timed(server, path))
        say("batches over HTTP", taken_in(server), "episodes/s")
        say("from a journal", taken_from_journal(server, Path(folder)), "episodes/s")


def say(what: str, value: float, unit: str) -> None:
    """One line."""
    sys.stdout.write(f"{what:60} {value:12,.1f} {unit}\n")


def fill(server: Served, runs: int, episodes: int) -> float:
    """Seconds to fill the database."""
    begin = time.perf_counter()
    with server.platform.database.write() as connection:
        connection.execute(text(FILL_RUNS), {"runs": runs, "episodes": episodes, "totals": TOTALS})
    for first in range(1, runs + 1, 100):
        with server.platform.database.write() as connection:
            for run in range(first, min(first + 100, runs + 1)):
                connection.execute(text(FILL_EPISODES), {"episodes": episodes, "run": run})
    return time.perf_counter() - begin


def plans(server: Served) -> dict[str, str]:
    """How SQLite answers the queries: each must search an index, none may scan a table."""
    found = {}
    with server.platform.database.read() as connection:
        for name, query in QUERIES.items():
            found[name] = "; ".join(row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {query}")))
    return found


def timed(server: Served, path: str) -> tuple[float, str]:
    """Milliseconds of the middle one of nine answers, and how large they are."""
    times = []
    for _ in range(9):
        begin = time.perf_counter()
        answer = server.client.get(path).raise_for_status()
        times.append(1000.0 * (time.perf_counter() - begin))
    return statistics.median(times), f"ms (worst {max(times):.0f}), {len(answer.content) / 1024:,.0f} KiB"


def taken_in(server: Served) -> float:
    """Episodes a second, sent in batches by a client that waits for each answer."""
    run_id = str(uuid.uuid4())
    server.client.post(f"{API}/runs", json={"run_id": run_id}).raise_for_status()
    begin = time.perf_counter()
    for batch in range(BATCHES):
        numbers = list(range(batch * BATCH + 1, (batch + 1) * BATCH + 1))
        values = [number / 7.0 for number in numbers]
        columns: dict[str, Sequence[float]] = {
            "episode_number": numbers,
            "seed": numbers,
            "length": numbers,
            "total_trades": numbers,
        }
        columns |= dict.fromkeys(("roi_pct", "sharpe_ratio", "max_drawdown_pct", "reward_sum"), values)
        server.client.post(f"{API}/runs/{run_id}/episodes/batch", json={"columns": columns}).raise_for_status()
    return BATCH * BATCHES / (time.perf_counter() - begin)


def taken_from_journal(server: Served, home: Path) -> float:
    """Episodes a second, out of a journal of one record an episode."""
    tracker = TrainingTracker("journal", directory=home / "runs")
    for number in range(1, 20_001):
        tracker.report_episode(number, {"roi_pct": number / 7.0, "cumulative_reward": 1.0, "length": 500}, seed=number)
    tracker.complete_run()
    ingest = JournalIngest(home, server.platform.database, server.platform.events)
    begin, count = time.perf_counter(), 0
    while new := ingest.poll():
        count += new
    return count / (time.perf_counter() - begin)


if __name__ == "__main__":
    sizes = [int(argument) for argument in sys.argv[1:]]
    main(*(sizes + [1_000, 10_000][len(sizes) :]))
