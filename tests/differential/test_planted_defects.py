"""The comparison with the Decimal ledger must see every planted defect, and nothing where none is planted."""

import pytest
from adapter import agreed_case, run_engine
from comparison import compare
from defects import DEFECTS, Defect
from margin_defects import MARGIN_DEFECTS

TRIES = 12
ALL = DEFECTS | MARGIN_DEFECTS


def differences(defect: Defect, seeds: range) -> list[str]:
    """The first differences that cases of a defect's kind show."""
    for seed in seeds:
        case = agreed_case(seed, defect.kind, defect.knobs)
        found = compare(case, run_engine(case, reward=defect.reward, interpreted=True)).differences
        if found:
            return found
    return []


@pytest.mark.parametrize("name", ALL)
def test_the_comparison_sees_the_defect(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ALL[name].plant(monkeypatch)
    assert differences(ALL[name], range(TRIES)), f"{name} goes unnoticed in {TRIES} cases"


@pytest.mark.parametrize("name", ALL)
def test_the_interpreted_engine_without_the_defect_agrees(name: str) -> None:
    assert differences(ALL[name], range(1)) == []
