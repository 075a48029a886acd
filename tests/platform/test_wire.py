"""Numbers in strings."""

import pytest

from tradeready_gym.platform.api.wire import rounded_text


@pytest.mark.parametrize(
    ("value", "text"), [(-0.003, "0.00"), (-0.0, "0.00"), (-0.006, "-0.01"), (0.125, "0.12"), (None, None)]
)
def test_what_is_rounded_to_zero_has_no_sign(value: float | None, text: str | None) -> None:
    assert rounded_text(value, 2) == text
