"""Environments of one process know nothing of each other, and what they say of an episode is plain and complete."""

import json
import subprocess
import sys
from typing import Any

import pytest

from small_worlds import assert_same, candles_of, drawn, play, random_candles, small_env
from tradeready_gym.envs import TradingEnvironment
from tradeready_gym.errors import ResetNeeded

PARTS: tuple[dict[str, Any], dict[str, Any]] = (
    {"reward_scheme": "sharpe", "slippage": "uniform", "fee_rate": 0.001, "episode_length": 15},
    {"action_scheme": "target_position", "slippage": "uniform", "account": "margin", "starting_balance": 77.0},
)


def both() -> list[TradingEnvironment]:
    return [small_env(random_candles(40, seed=number), **part) for number, part in enumerate(PARTS)]


def test_two_environments_in_turn_give_what_each_gives_alone() -> None:
    actions = [drawn(env, 15) for env in both()]
    alone = [play(env, each, seed=7) for env, each in zip(both(), actions, strict=True)]
    together = both()
    outcomes: list[list[Any]] = [[env.reset(seed=7)] for env in together]
    for pair in zip(*actions, strict=True):
        for env, outcome, action in zip(together, outcomes, pair, strict=True):
            outcome.append(env.step(action))

    assert_same(outcomes, alone)


@pytest.mark.parametrize("part", PARTS, ids=["spot", "margin"])
def test_every_info_is_plain_data(part: dict[str, Any]) -> None:
    env = small_env(random_candles(40), **part)
    infos = [outcome[-1] for outcome in play(env, drawn(env, 40))]

    assert [json.loads(json.dumps(info, allow_nan=False)) for info in infos] == infos
    assert {
        "step",
        "equity",
        "available_cash",
        "position_value",
        "fees_paid",
        "filled_orders",
        "rejected_orders",
    } <= set(infos[0])


@pytest.mark.parametrize(("last", "ends"), [(10.1, False), (10.0, True)])
def test_a_loss_of_ninety_per_cent_terminates_and_a_little_less_goes_on(last: float, ends: bool) -> None:
    candles = candles_of([100.0, 100.0, 100.0, last, last, last])
    env = small_env(candles, action_scheme="target_position", episode_end="gymnasium")
    outcomes = play(env, [1, 1])

    assert outcomes[-1][4]["equity"] == pytest.approx(100.0 * last)
    assert outcomes[-1][2:4] == (ends, False)


def test_every_candle_is_played_and_the_last_one_truncates() -> None:
    env = small_env(random_candles(20), episode_end="gymnasium")
    outcomes = play(env, [1, 0, 2] * 10)

    assert [outcome[2:4] for outcome in outcomes[1:]] == [(False, False)] * 17 + [(False, True)]
    with pytest.raises(ResetNeeded):
        env.step(0)


def test_the_package_logs_under_its_own_name_and_configures_nobody() -> None:
    program = (
        "import logging, tradeready_gym, tradeready_gym.envs, tradeready_gym.market\n"
        "ours = [logging.getLogger(n) for n in logging.root.manager.loggerDict if n.startswith('tradeready')]\n"
        "assert ours\n"
        "assert all(not log.handlers and log.level == 0 and log.propagate for log in ours)\n"
        "assert not logging.root.handlers and logging.root.level == logging.WARNING\n"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
