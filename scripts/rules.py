"""House rules that a machine can check; prints what breaks them and exits 1."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONGEST_FILE = 500
CLOCKS = {
    "tracking/clock.py",
    "market/sources/http.py",
    "market/sources/exchange.py",
    "envs/clock.py",
    "platform/clock.py",
    "live/clock.py",
}
FORBIDDEN = {
    r"\bprint\(": "no print in the package; return, raise, or write to a given stream",
    r"\btime\.time\(|\bdatetime\.(now|utcnow)\(": "wall time belongs to a clock module",
    r"^\s*(import random\b|from random import)": "the global random generator is never used",
    r"\bnp\.random\.(seed|rand|randn|randint|normal|uniform|choice)\(": "the global NumPy generator is never used",
    r"^\s*assert ": "assert is not for user input; raise a named error",
}
# written in pieces, so that the rule does not find itself
FOREIGN = [re.escape(a + b) for a, b in (("/work", "/"), ("/root", "/"), ("file:", "///opt"), ("find", "-links"))]


def breaches() -> list[str]:
    """One line for every rule that is broken."""
    found: list[str] = []
    package = ROOT / "src" / "tradeready_gym"
    for path in sorted(package.rglob("*.py")):
        name, text = path.relative_to(package).as_posix(), path.read_text(encoding="utf-8")
        lines = text.splitlines()
        if len(lines) > LONGEST_FILE:
            found.append(f"{name}: {len(lines)} lines, {LONGEST_FILE} are allowed")
        if name in CLOCKS or name.startswith("cli/"):
            continue
        for number, line in enumerate(lines, 1):
            for pattern, rule in FORBIDDEN.items():
                if re.search(pattern, line) and not line.lstrip().startswith(("#", '"')):
                    found.append(f"{name}:{number}: {rule}: {line.strip()}")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for file in filter(None, tracked):
        path = ROOT / file
        if path.suffix in {".py", ".md", ".toml", ".txt", ".yml", ""} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="ignore")
            found += [f"{file}: mentions {pattern}" for pattern in FOREIGN if re.search(pattern, text)]
    return found


if __name__ == "__main__":
    problems = breaches()
    sys.stdout.write("".join(f"rules: {problem}\n" for problem in problems))
    sys.exit(bool(problems))
