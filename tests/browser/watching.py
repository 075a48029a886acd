"""What every page must keep to, whatever the test is about."""

from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Error, Page, Request
from serving import Served


class Watched:
    """A page, what its console said, and whom it asked."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        self.hosts: set[str] = set()
        self.requests: list[str] = []
        self.expected: tuple[str, ...] = ()
        page.on("console", self._said)
        page.on("pageerror", self._failed)
        page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(message.text)

    def _failed(self, error: Error) -> None:
        self.problems.append(str(error))

    def _asked(self, request: Request) -> None:
        found = urlsplit(request.url)
        self.requests.append(found.path)
        if found.scheme in {"http", "https", "ws", "wss"}:
            self.hosts.add(found.hostname or "")

    def require_quiet(self) -> None:
        """Raise unless the page was quiet, but for what was `expected`, and asked nobody but the server."""
        loud = [text for text in self.problems if not any(part in text for part in self.expected)]
        if loud or self.hosts - {"127.0.0.1"}:
            raise AssertionError(f"console: {loud}; hosts: {sorted(self.hosts)}")


def log_in(page: Page, server: Served) -> None:
    """Paste the owner's key."""
    page.goto(f"{server.url}/login")
    page.get_by_label("API key").fill(server.key)
    page.get_by_role("button", name="Log in").first.click()
    page.wait_for_url("**/training")


def run_body(run_id: str, label: str) -> dict[str, object]:
    """What registers a run."""
    return {"run_id": run_id, "config": {"strategy_label": label}}


def episode_body(number: int, roi: float) -> dict[str, object]:
    """What reports an episode."""
    return {
        "episode_number": number,
        "roi_pct": roi,
        "sharpe_ratio": roi / 5,
        "max_drawdown_pct": 3.0,
        "total_trades": 4,
        "reward_sum": roi / 100,
    }
