"""Write docs/reference.md from the public names and the first lines of their docstrings.

python scripts/build_reference.py [--check]
"""

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference.md"
ROOMS = (
    "",
    "actions",
    "agents",
    "context",
    "envs",
    "evaluation",
    "exchanges",
    "features",
    "live",
    "market",
    "rendering",
    "rewards",
    "strategies",
    "testing",
    "tracking",
    "wrappers",
)
HEAD = (
    "# Reference\n\nEvery public name, by room. The docstrings have the shapes, units, errors and sources of formulas. "
    "`scripts/build_reference.py` writes this page.\n"
)


def first_line(thing: Any) -> str:
    """The first line of a docstring; what a constant is, otherwise."""
    if inspect.isclass(thing) or inspect.isroutine(thing):
        return (inspect.getdoc(thing) or "").partition("\n")[0].replace("|", "\\|")
    return f"a constant: {type(thing).__name__}"


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for room in ROOMS:
        name = f"tradeready_gym.{room}" if room else "tradeready_gym"
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        public = sorted(n for n in getattr(module, "__all__", ()) if not n.startswith("__"))
        rows = "\n".join(f"| `{n}` | {first_line(getattr(module, n))} |" for n in public)
        parts.append(f"## `{name}`\n\n| name | |\n|---|---|\n{rows}\n")
    return "\n".join(parts)


def main() -> int:
    """Write the page, or say whether it is up to date."""
    text = page()
    if "--check" in sys.argv[1:]:
        return int(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
