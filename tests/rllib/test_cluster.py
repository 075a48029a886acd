"""A cluster of two nodes with a processor each, which somebody else has started: one worker of ours on each."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
import ray
from ray.cluster_utils import Cluster
from rllib_worlds import environment, learner

node = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
try:
    cluster.add_node(**node)
    joined = {"address": cluster.address}
    strategy = learner(environment(interpreted=True), num_envs=8, env_runners=2, ray_arguments=joined)
    strategy.train(512)
    workers = [[report.worker, report.steps] for report in strategy.workers]
    print(json.dumps([workers, strategy.trained_steps, ray.is_initialized()]))
finally:
    cluster.shutdown()
"""


def test_workers_of_a_cluster_share_the_accounts_and_the_cluster_is_left(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent)]
    # a short path, since sockets lie below it
    with tempfile.TemporaryDirectory(prefix="ray-") as short:
        variables = os.environ | {"HOME": str(tmp_path), "RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": short}
        answer = subprocess.run(command, capture_output=True, text=True, check=True, env=variables).stdout
    assert json.loads(answer.splitlines()[-1]) == [[[1, 256], [2, 256]], 512, False]
    assert list(tmp_path.iterdir()) == []
