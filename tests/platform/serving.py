"""A real server on loopback, in a thread, with a home and a database of its own."""

import functools
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from published import require_published

from tradeready_gym.platform import Settings
from tradeready_gym.platform.accounts import create_account, create_key, ensure_owner
from tradeready_gym.platform.app import create_app
from tradeready_gym.platform.state import Platform

STARTED_WITHIN = 20.0


@dataclass
class Served:
    """A server that listens: `client` has the owner's key, `stranger` that of another account."""

    url: str
    key: str
    app: FastAPI
    platform: Platform
    client: httpx2.Client
    stranger: httpx2.Client
    anonymous: httpx2.Client


@contextmanager
def serving(home: Path, **settings: Any) -> Iterator[Served]:
    """Serve until the block ends."""
    app = create_app(Settings(home=home, port=0, **settings))
    platform: Platform = app.state.platform
    key = ensure_owner(platform.database) or another_key(platform)
    with listening(app) as url:
        clients = [client_of(url, key), client_of(url, stranger_key(platform)), client_of(url, None)]
        try:
            yield Served(url, key, app, platform, *clients)
        finally:
            for client in clients:
                client.close()


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """The address at which the application answers until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(
                app, log_level="warning", access_log=False, ws="websockets-sansio", timeout_graceful_shutdown=2
            )
        )
        app.state.server = server
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        begin = time.monotonic()
        while not server.started:
            if not thread.is_alive() or time.monotonic() - begin > STARTED_WITHIN:
                raise RuntimeError("the server did not start; its log says why")
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10.0)


def client_of(url: str, key: str | None) -> httpx2.Client:
    """A client with this key, or none, whose answers must be as published; it waits for a compiler on a busy machine."""
    headers, hooks = {"X-API-Key": key} if key else {}, {"response": [require_published]}
    return httpx2.Client(base_url=url, headers=headers, timeout=300.0, event_hooks=hooks, verify=_trusted())


@functools.cache
def _trusted() -> ssl.SSLContext:
    # every client would read the system's certificates anew, and none here speaks TLS
    return ssl.create_default_context()


def stranger_key(platform: Platform) -> str:
    """The key of an account that owns nothing."""
    with platform.database.write() as connection:
        account_id = create_account(connection, "stranger")
        return create_key(connection, account_id, name="key", scopes=("read", "write", "paper", "admin"))[1]


def another_key(platform: Platform, scopes: tuple[str, ...] = ("read", "write", "paper", "admin")) -> str:
    """One more key of the first account."""
    from sqlalchemy import select

    from tradeready_gym.platform.database.tables import accounts

    with platform.database.write() as connection:
        owner = connection.scalar(select(accounts.c.id).order_by(accounts.c.created_at).limit(1))
        return create_key(connection, str(owner), name="another", scopes=scopes)[1]
