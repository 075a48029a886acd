"""Section 10 of the contract: the compiled step and the same functions as plain Python give the same bits."""

from collections.abc import Mapping
from typing import Any

import pytest
from adapter import EngineStep, agreed_case, environment_of, run_engine, run_scheme
from generate import MODELS, Knobs

from tradeready_gym.exchanges import CustomSlippage
from tradeready_gym.rewards import CustomReward

CASES = [
    *(("orders", Knobs(model=model)) for model in MODELS),
    ("orders", Knobs(instruments=True, volume_share=True, maker_fee_rate=True)),
    ("orders", Knobs(fill_at="close", steps=120, symbols=1)),
    ("mixed", Knobs(scheme="hold_buy_sell", model="volume_share")),
    ("mixed", Knobs(scheme="continuous", model="volume_share")),
    ("mixed", Knobs(scheme="target_position", model="volume_share", instruments=True)),
    ("mixed", Knobs(scheme="portfolio", model="volume_share", symbols=3)),
    ("orders", Knobs(margin=True, model="none", fragile=True, instruments=True, volume_share=True)),
    ("mixed", Knobs(margin=True, scheme="target_position", model="uniform")),
]


def bits(step: EngineStep) -> tuple[object, ...]:
    # repr tells every float apart, also 0.0 from -0.0
    told = (step.answers, step.cancelled, step.info, step.reward, step.flags)
    state = (step.positions, step.locked_positions, step.average_entries, step.open_orders)
    return (repr(told), repr(state), step.observation.tobytes())


@pytest.mark.parametrize(("kind", "knobs"), CASES)
def test_the_interpreted_step_gives_the_bits_of_the_compiled_one(kind: str, knobs: Knobs) -> None:
    for seed in (1, 2):
        case = agreed_case(seed, kind, knobs)
        compiled, interpreted = run_engine(case), run_engine(case, interpreted=True)
        assert sum(len(step.info["filled_orders"]) for step in compiled.steps) > 0
        for ours, theirs in zip(compiled.steps, interpreted.steps, strict=True):
            assert bits(ours) == bits(theirs)


def test_the_phases_of_a_scheme_in_python_give_the_same_bits_too() -> None:
    case = agreed_case(4, "orders", Knobs(model="fixed", orders_per_step=1))
    compiled, interpreted = run_scheme(case), run_scheme(case, interpreted=True)
    assert [bits(one) for one in compiled.steps] == [bits(one) for one in interpreted.steps]


class VolumeShareInPython(CustomSlippage):
    """What `VolumeShareSlippage` says, with the factor of the case."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def fraction(self, value: float, quote_volume: float, volatility: float, draw: float) -> float:
        return min(max(self.factor * value / quote_volume, 0.0001), 0.10) if quote_volume > 0.0 else 0.10


class ProfitInPython(CustomReward):
    """What `PnLReward` says."""

    def compute(self, prev_equity: float, curr_equity: float, info: Mapping[str, Any]) -> float:
        return curr_equity - prev_equity


@pytest.mark.parametrize("kind", ["orders", "mixed"])
def test_components_in_python_give_the_bits_of_the_same_ones_compiled(kind: str) -> None:
    for seed in range(3):
        knobs = Knobs(model="volume_share", scheme="continuous", ruin=False)
        case = agreed_case(seed, kind, knobs)
        slippage = VolumeShareInPython(case.parameters.slippage.factor)  # type: ignore[attr-defined]
        # the phases of an engine with Python parts are those of the compiled one, run one by one
        python = environment_of(case, reward=ProfitInPython(), slippage=slippage, interpreted=True)
        compiled = environment_of(case, reward="pnl", interpreted=True)
        ours, theirs = run_engine(case, environment=python), run_engine(case, environment=compiled)
        assert [bits(one) for one in ours.steps] == [bits(one) for one in theirs.steps]
