"""Servers for the tests of the platform."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgresql import running
from serving import Served, serving
from sqlalchemy import create_engine, make_url, text


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


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a PostgreSQL server."""
    with running() as url:
        yield url


@pytest.fixture
def postgresql_url(postgresql_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    name = f"test_{abs(hash(request.node.nodeid)) % 10**12}"
    admin = create_engine(
        make_url(postgresql_server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield str(make_url(postgresql_server).set(database=name))
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()
