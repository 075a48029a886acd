"""Numbers and times read as people write them; scales have round marks."""

import math

import pytest
from rendering_scenes import HOUR, START

from tradeready_gym.rendering import words
from tradeready_gym.rendering.ticks import DAY_US, MINUTE_US, time_ticks, value_ticks


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (96842.1, "96,842.10"),
        (187.32, "187.320"),
        (0.5123456, "0.512346"),
        (0.0000123456, "0.0000123456"),
        (0.0, "0.00000"),
    ],
)
def test_prices_have_six_significant_digits_and_two_decimals_at_least(value: float, text: str) -> None:
    assert words.price(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(96842.1, "96,842.10"), (0.0000285218, "2.852e-05"), (123456789.0, "123.5M"), (1234567.8, "1,234,568")],
)
def test_short_prices_have_ten_characters_at_most(value: float, text: str) -> None:
    assert words.short_price(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.334, "+3.33 %"), (-0.12, "-0.12 %"), (0.001, "0.00 %"), (-0.001, "0.00 %"), (1234.5, "+1,234.50 %")],
)
def test_changes_have_a_sign_unless_they_are_nothing(value: float, text: str) -> None:
    assert words.signed_percent(value) == text


def test_what_is_not_a_number_is_a_dash() -> None:
    assert (words.money(math.nan), words.price(math.nan), words.signed_percent(math.nan)) == ("-", "-", "- %")


def test_times_are_utc() -> None:
    assert words.time_utc(START + HOUR) == "2025-01-01 01:00 UTC"


def test_a_long_text_is_cut_off() -> None:
    assert words.shortened("abcdefgh", 5) == "abcd…"


def test_hours_within_a_day_are_marked_and_midnight_is_a_date() -> None:
    times, names = time_ticks(START + 18 * HOUR, START + 38 * HOUR, 8)
    assert names == ["18:00", "21:00", "2 Jan", "03:00", "06:00", "09:00", "12:00"]
    assert times[2] == START + DAY_US


def test_the_new_year_is_named() -> None:
    _, names = time_ticks(START - 2 * DAY_US, START + 2 * DAY_US, 8)
    assert names == ["30 Dec", "12:00", "31 Dec", "12:00", "1 Jan 2025", "12:00", "2 Jan", "12:00", "3 Jan"]


def test_weeks_begin_on_monday() -> None:
    times, names = time_ticks(START, START + 50 * DAY_US, 8)
    assert names[0] == "6 Jan"
    assert all((time // DAY_US + 3) % 7 == 0 for time in times)


def test_months_and_years_are_marked_over_long_spans() -> None:
    assert time_ticks(START, START + 300 * DAY_US, 8)[1] == ["2025", "Mar", "May", "Jul", "Sep"]
    assert time_ticks(START, START + 6 * 366 * DAY_US, 8)[1] == ["2025", "2026", "2027", "2028", "2029", "2030", "2031"]


@pytest.mark.parametrize(
    "span", [MINUTE_US, HOUR, 7 * HOUR, DAY_US, 9 * DAY_US, 40 * DAY_US, 400 * DAY_US, 9000 * DAY_US]
)
def test_marks_lie_within_the_span_and_are_few(span: int) -> None:
    times, names = time_ticks(START + 17, START + 17 + span, 8)
    assert len(times) == len(names) <= 9
    assert all(START + 17 <= time <= START + 17 + span for time in times)


@pytest.mark.parametrize(
    ("low", "high", "names"),
    [
        (21_900.0, 24_100.0, ["22,000", "22,500", "23,000", "23,500", "24,000"]),
        (0.0, 1.0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.000027, 0.000029, ["0.0000270", "0.0000275", "0.0000280", "0.0000285", "0.0000290"]),
        (-5e7, 5e7, ["-40M", "-20M", "0", "20M", "40M"]),
    ],
)
def test_values_are_marked_at_round_numbers(low: float, high: float, names: list[str]) -> None:
    assert value_ticks(low, high, 5)[1] == names


def test_a_scale_without_a_span_has_one_mark() -> None:
    assert value_ticks(5.0, 5.0, 5) == ([5.0], ["5.00"])


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("-2.3", "−2.3"),
        ("95 %: -4.59 to -0.26", "95 %: −4.59 to −0.26"),
        ("0x -0.1 %, (-.5)", "0x −0.1 %, (−.5)"),
        ("-", "–"),
        ("fee 0.10% of each fill", "fee 0.10 % of each fill"),
        ("from 2021-01-02T09:00:00Z .. 2023-01-01T00:00:00Z only", "from 2021-01-02 09:00 to 2023-01-01 00:00 only"),
        ("buy-and-hold-2 on BTC-USDT, 2021-01-02", "buy-and-hold-2 on BTC-USDT, 2021-01-02"),
    ],
)
def test_what_was_written_for_a_terminal_is_printed_as_in_a_book(written: str, printed: str) -> None:
    assert words.typeset(written) == printed
