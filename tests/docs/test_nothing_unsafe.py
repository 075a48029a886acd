"""Nothing that people copy from here turns TLS off or has a credential in it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("src/**/*.py", "examples/*.py", "benchmarks/*.py", "docs/*.md", "README.md")
TLS_OFF = re.compile(r"verify\s*=\s*False|CERT_NONE|_create_unverified_context|check_hostname\s*=\s*False|--insecure\b")
CREDENTIAL = re.compile(
    r"(?i)\b\w*(?:key|secret|password|token)[\"']?\s*[=:]\s*[\"'](?!ak_live_\.\.\.)[\w/+=-]{12,}[\"']"
)


def unsafe(text: str) -> list[str]:
    """The lines that should not be copied."""
    return [line.strip() for line in text.splitlines() if TLS_OFF.search(line) or CREDENTIAL.search(line)]


def test_no_code_of_ours_turns_tls_off_or_holds_a_credential() -> None:
    files = [path for place in PLACES for path in ROOT.glob(place)]

    assert len(files) > 100
    assert {path.name: found for path in files if (found := unsafe(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize(
    "line",
    [
        "httpx.get(url, verify=False)",
        "context.verify_mode = ssl.CERT_NONE",
        'exchange = ccxt.binance({"secret": "0123456789abcdef"})',
        "API_KEY = 'A1b2C3d4E5f6G7h8'",
    ],
)
def test_a_planted_line_is_found(line: str) -> None:
    assert unsafe(f"import ssl\n{line}\n") == [line]
