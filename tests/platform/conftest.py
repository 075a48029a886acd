"""Servers for the tests of the platform."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that the tests of one file share."""
    with serving(tmp_path_factory.mktemp("platform"), ingest_journals=False) as server:
        yield server


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Served]:
    """A server of this test's own."""
    with serving(tmp_path / "platform", ingest_journals=False) as server:
        yield server
