"""What the first request needs is built before it comes."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastapi.routing
import pytest
from jinja2 import Environment
from serving import Served, serving

from tradeready_gym.platform import warm
from tradeready_gym.platform.dashboard import pages

ASKED = ("/training", "/backtest", "/live", "/settings", "/data", "/api/v1/training/runs", "/api/v1/backtest/list")


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is built from now on: "route" for a route, "template" for a template that is compiled."""
    pages._environment.cache_clear()
    found: list[str] = []

    def told(owner: Any, name: str, kind: str) -> None:
        real = getattr(owner, name)

        def build(*arguments: Any, **named: Any) -> Any:
            found.append(kind)
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, build)

    told(fastapi.routing._IncludedRouter, "_build_effective_context", "route")
    told(Environment, "compile", "template")
    yield found
    pages._environment.cache_clear()


def ask(served: Served) -> None:
    """Ask for pages and lists, once the server has warmed up."""
    for thread in threading.enumerate():
        if thread.name == "tradeready-warm":
            thread.join(60.0)
    for path in ASKED:
        assert served.client.get(path).status_code == 200


def test_the_first_requests_build_nothing(tmp_path: Path, built: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path, ingest_journals=False) as served:
        ask(served)
        # each once: what was asked for was built with all the others
        assert built.count("route") > 100
        assert built.count("template") == len(list(pages._TEMPLATES.rglob("*.html")))
    # and so they would without it
    built.clear()
    pages._environment.cache_clear()
    monkeypatch.setattr(warm, "warm", lambda *_: None)
    with serving(tmp_path, ingest_journals=False) as served:
        assert built == []
        ask(served)
        assert {"route", "template"} == set(built)


def test_a_server_serves_although_it_could_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(warm, "warm", fail)
    with serving(tmp_path, ingest_journals=False) as served:
        ask(served)
    assert "could not be built before it" in caplog.text
