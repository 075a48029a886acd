"""Starting a deployment as a process of its own: it outlives whoever started it, and is found again by its folder."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping

from tradeready_gym.errors import ConfigurationError
from tradeready_gym.live.deployments import Deployment, write_json
from tradeready_gym.tracking import clock

_SECRET = re.compile("KEY|SECRET|TOKEN|PASSW|CREDENTIAL|DATABASE|^PG", re.IGNORECASE)
_LINES = 20


def start(deployment: Deployment, *, steps: int | None = None) -> "subprocess.Popen[bytes]":
    """Let a saved deployment trade in a new process, the one of `tradeready live resume NAME`; what it says goes to its log.

    The process gets neither a shell nor what in this one's environment looks like a secret. It needs none: quotes are public.

    Raises:
        ConfigurationError: it is running already.
    """
    if deployment.status["alive"]:
        raise ConfigurationError(f"{deployment.name} is running already (process {deployment.status.get('pid')})")
    command = [sys.executable, "-P", "-m", "tradeready_gym.cli", "live", "resume", deployment.name]
    command += [] if steps is None else ["--steps", str(steps)]
    before = {name: value for name, value in deployment.status.items() if name != "alive"}
    with open(deployment.folder / "log.txt", "ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=deployment.folder, env=_environment(deployment),
            start_new_session=True,
        )  # fmt: skip
    said = {"state": "starting", "pid": process.pid, "updated_at": clock.now(), "problem": None}
    write_json(deployment.folder / "status.json", before | said)
    threading.Thread(target=_wait_for, args=(deployment, process), daemon=True).start()
    return process


def _environment(deployment: Deployment) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
    return kept | {"TRADEREADY_HOME": str(deployment.folder.parent.parent)}


def _wait_for(deployment: Deployment, process: "subprocess.Popen[bytes]") -> None:
    # a child that nobody waits for keeps its number; and one that never began to trade could not say so
    code = process.wait()
    status = {name: value for name, value in deployment.status.items() if name != "alive"}
    if status.get("state") == "starting" and status.get("pid") == process.pid:
        lines = deployment.log.strip().splitlines()[-_LINES:]
        problem = f"its process ended with {code} before it traded: {lines[-1] if lines else 'it said nothing'}"
        write_json(deployment.folder / "status.json", status | {"state": "failed", "problem": problem})
