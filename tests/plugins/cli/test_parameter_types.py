"""Durations as people type them."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft_plugins.cli.parameter_types import DURATION, PACE, POSITIVE_DURATION


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("12", 12.0),
        ("12.5", 12.5),
        (".5", 0.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("2d", 172_800.0),
        ("500ms", 0.5),
        ("1m500ms", 60.5),
        ("1d2h3m4s5ms", 93_784.005),
        (" 30s\n", 30.0),
    ],
)
def test_a_duration_is_a_number_of_seconds_or_has_units(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == pytest.approx(seconds)


NO_DURATIONS = [
    "", "soon", "-1", "-1s", "nan", "inf", "1e400", "5 m", "5x", "m", "5m1h", "5m5m", "1h30", "ms", "1,5", "9" * 400,
]  # fmt: skip


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="not a number of seconds, nor a duration such as 30s"):
        DURATION.convert(text, None, None)


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_a_usage_error(text: str) -> None:
    try:
        seconds = DURATION.convert(text, None, None)
    except click.BadParameter:
        return
    assert 0 <= seconds < float("inf")


def test_zero_is_refused_where_it_makes_no_sense() -> None:
    with pytest.raises(click.BadParameter, match="more than 0 seconds"):
        POSITIVE_DURATION.convert("0s", None, None)


def test_a_pace_is_a_duration_or_two() -> None:
    assert PACE.convert("2.5", None, None) == 2.5
    assert PACE.convert("0.5..5", None, None) == (0.5, 5.0)
    assert PACE.convert("500ms..1m", None, None) == (0.5, 60.0)
