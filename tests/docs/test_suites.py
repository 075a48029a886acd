"""No suite of tests can be forgotten by the script that runs them."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "test"
GUARD = re.compile(r"^for suite in ([a-z ]+); do\n.*\ndone$", re.MULTILINE)


def test_the_script_names_every_suite() -> None:
    (named,) = GUARD.findall(SCRIPT.read_text(encoding="utf-8"))
    suites = {path.parent.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").glob("*/**/test_*.py")}

    assert set(named.split()) == suites


def test_a_suite_that_disappears_is_an_error(tmp_path: Path) -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    found = GUARD.search(text)
    assert found
    for suite in found[1].split():
        (tmp_path / "tests" / suite).mkdir(parents=True)
        (tmp_path / "tests" / suite / "test_it.py").touch()

    def guarded() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-c", found[0]], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert guarded().returncode == 0
    (tmp_path / "tests" / "browser" / "test_it.py").unlink()
    assert (guarded().returncode, guarded().stderr) == (1, "test: suite tests/browser has no tests\n")
