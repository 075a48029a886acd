"""Where the commands write: results to stdout, progress and complaints to stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

_PLAIN_WIDTH = 120
_PLAIN_LINES = 5


def out() -> Console:
    """The console of results; wide enough for a table where nobody looks at a screen."""
    return _console(stderr=False)


def err() -> Console:
    """The console of progress and complaints."""
    return _console(stderr=True)


def complain(message: str) -> None:
    """One message about what went wrong."""
    err().print(Text("error: ", style="bold red") + Text(message), soft_wrap=True)


class Steps:
    """The progress of one task: a bar on a screen, a few lines elsewhere."""

    def __init__(self, console: Console, bar: Progress | None, title: str, total: int) -> None:
        self._console, self._bar, self._title = console, bar, title
        self._task: TaskID | None = bar.add_task(title, total=total) if bar is not None else None
        self._said = 0

    def __call__(self, done: int, of: int) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=min(done, of), total=of)
            return
        part = min(done, of) * _PLAIN_LINES // max(of, 1)
        if part > self._said:
            self._said = part
            self._console.print(f"{self._title}: {min(done, of):,} of {of:,}", soft_wrap=True)


@contextmanager
def progress() -> Iterator["Progresses"]:
    """The only live display of a command."""
    console = err()
    if not console.is_terminal:
        yield Progresses(console, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        yield Progresses(console, bar)


class Progresses:
    """Tasks, one after the other, in one display."""

    def __init__(self, console: Console, bar: Progress | None) -> None:
        self._console, self._bar = console, bar

    def task(self, title: str, total: int) -> Steps:
        """A task of `total` steps; call it with `(done, of)`."""
        return Steps(self._console, self._bar, title, total)


def _console(stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _PLAIN_WIDTH)
    return console
