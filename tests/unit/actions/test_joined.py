"""Joined schemes: each action is that of its own scheme."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from small_worlds import play, random_candles, small_env
from tradeready_gym.actions import (
    ActionScheme,
    ContinuousOrder,
    CustomActionScheme,
    DiscreteActions,
    HoldBuySell,
    JoinedActions,
    ManagedRiskOrders,
    MultiDiscreteActions,
    SimpleOrders,
    TargetPosition,
    make_action_scheme,
)
from tradeready_gym.errors import ConfigurationError, UnknownName
from tradeready_gym.testing import check_action_scheme

FIRST, SECOND, THIRD = HoldBuySell(0.3), ManagedRiskOrders(sizes=2), DiscreteActions(10)
SUM = FIRST + SECOND + THIRD
SYMBOLS = ("AAAUSDT", "BBBUSDT")


class Own(CustomActionScheme):
    def action_space(self, symbols: int) -> spaces.Discrete:
        return spaces.Discrete(2)

    def orders(self, action: Any, account: Any) -> list[Any]:
        return []


def outcomes(scheme: ActionScheme, actions: list[int], symbols: tuple[str, ...] = ("BTCUSDT",)) -> list[Any]:
    env = small_env(random_candles(80, symbols), action_scheme=scheme, fee_rate=0.001)
    return [outcome[4] for outcome in play(env, actions)[1:]]


def test_its_actions_are_those_of_the_schemes_in_turn() -> None:
    counts = [int(scheme.action_space(1).n) for scheme in (FIRST, SECOND, THIRD)]
    assert SUM.action_space(1) == spaces.Discrete(sum(counts)) == spaces.Discrete(3 + 20 + 10)


@pytest.mark.parametrize(("place", "scheme"), [(0, FIRST), (3, SECOND), (23, THIRD)])
def test_an_action_does_what_it_does_in_its_own_scheme(place: int, scheme: ActionScheme) -> None:
    count = int(scheme.action_space(1).n)  # type: ignore[attr-defined]
    actions = np.random.default_rng(place).integers(0, count, 70).tolist()
    assert outcomes(SUM, [place + action for action in actions]) == outcomes(scheme, actions)
    assert [SUM.describe(place + action) for action in range(count)] == [scheme.describe(a) for a in range(count)]


def test_several_symbols_have_the_actions_of_both_for_each() -> None:
    joined, second = SimpleOrders(sizes=1) + MultiDiscreteActions(5), MultiDiscreteActions(5)
    assert joined.action_space(2) == spaces.Discrete(13 + 10)
    actions = np.random.default_rng(1).integers(0, 10, 60).tolist()
    assert outcomes(joined, [13 + action for action in actions], SYMBOLS) == outcomes(second, actions, SYMBOLS)
    assert joined.describe(13 + 7, SYMBOLS) == second.describe(7, SYMBOLS)


def test_masks_stand_side_by_side() -> None:
    account = np.array([0.0, 50.0]), np.array([100.0, 100.0]), np.array([[1.0], [0.0]])
    masks = [scheme.action_masks(*account) for scheme in (FIRST, SECOND, THIRD)]
    joined = np.concatenate([mask for mask in masks if mask is not None], axis=1)
    assert np.asarray(SUM.action_masks(*account)).tolist() == joined.tolist()


def test_a_sum_of_sums_is_flat_and_a_value() -> None:
    assert FIRST + (SECOND + THIRD) == SUM == JoinedActions([FIRST, SECOND, THIRD])
    assert pickle.loads(pickle.dumps(SUM)) == SUM == copy.deepcopy(SUM) and hash(SUM) == hash(FIRST + SECOND + THIRD)
    assert eval(repr(SUM)) == SUM


def test_it_asks_for_the_positions_and_the_book_of_all() -> None:
    assert (TargetPosition((-1.0, 0.0)) + TargetPosition((0.0, 2.0))).position_range == (-1.0, 2.0)
    assert not (HoldBuySell() + TargetPosition()).rests and (HoldBuySell() + THIRD).rests


def test_names_and_mappings_make_it() -> None:
    named = make_action_scheme({"name": "joined", "schemes": ["hold_buy_sell", {"name": "discrete", "n_actions": 10}]})
    assert named == HoldBuySell() + DiscreteActions(10)


def test_it_passes_the_conformance_suite() -> None:
    check_action_scheme(SUM)


@pytest.mark.parametrize(
    ("schemes", "message"),
    [
        ((HoldBuySell(),), "at least two"),
        ("discrete", "needs a list"),
        ((HoldBuySell(), ContinuousOrder()), "joins Discrete spaces"),
        ((HoldBuySell(), Own()), "written in plain Python"),
        ((HoldBuySell(), "discret"), "Did you mean 'discrete'"),
        ((HoldBuySell(), {"name": "discrete", "actions": 5}), "parameter of the action scheme discrete 'actions'"),
    ],
)
def test_what_cannot_be_joined_is_named(schemes: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        JoinedActions(schemes)


def test_what_is_no_scheme_cannot_be_added() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        HoldBuySell() + 3  # type: ignore[operator]


def test_a_scheme_for_one_symbol_is_refused_with_several() -> None:
    with pytest.raises(ConfigurationError, match="trades one symbol"):
        (HoldBuySell() + DiscreteActions(5)).check(2)


def test_an_unknown_name_in_a_mapping_is_named() -> None:
    with pytest.raises(UnknownName, match="unknown action scheme None"):
        make_action_scheme({"n_actions": 10})
