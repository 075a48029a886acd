"""A local Ray for as long as it is needed; needs the extra `[rllib]`."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tradeready_gym.errors import ConfigurationError

_OBJECT_STORE_BYTES = 256 * 2**20
# no report to Ray's makers, and no change of CUDA_VISIBLE_DEVICES behind the caller's back, about which Ray would warn
_VARIABLES = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@contextmanager
def ray_session(workers: int, arguments: Mapping[str, Any]) -> Iterator[None]:
    """Ray with a processor for each worker and one for the learner.

    A Ray that runs already is used and left running. Otherwise `ray.init(**arguments)` starts one, or joins the cluster at
    `arguments["address"]`, and it is shut down at the end; what a local one wrote lay in a temporary folder, which is removed.

    Raises:
        ConfigurationError: Ray has fewer processors than there are workers, which would wait for ever.
    """
    import ray

    if ray.is_initialized():
        _require_processors(workers)
        yield
        return
    with TemporaryDirectory(prefix="tradeready-ray-", ignore_cleanup_errors=True) as folder, _environment_variables():
        settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if "address" not in arguments:
            _choose_token()
            settings |= {
                "num_cpus": workers + 1,
                "num_gpus": 0,
                "include_dashboard": False,
                "object_store_memory": _OBJECT_STORE_BYTES,
                "_temp_dir": folder,
            }
        try:
            ray.init(**(settings | dict(arguments)))
            _require_processors(workers)
            yield
        finally:
            ray.shutdown()


def _require_processors(workers: int) -> None:
    import ray

    found = ray.cluster_resources().get("CPU", 0.0)
    if found < workers:
        raise ConfigurationError(
            f"{workers} workers need {workers} processors, and Ray has {found:g}. Lower env_runners, or give Ray more: "
            f"ray_arguments={{'num_cpus': {workers + 1}}}, or more nodes of the cluster"
        )


def _choose_token() -> None:
    # Ray would write a new one into the home folder. It stays for this process, since Ray has read it for good
    kept = Path.home() / ".ray" / "auth_token"
    if not kept.exists() and not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


@contextmanager
def _environment_variables() -> Iterator[None]:
    missing = [name for name in _VARIABLES if name not in os.environ]
    os.environ.update({name: _VARIABLES[name] for name in missing})
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)
