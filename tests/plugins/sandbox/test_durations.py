"""Durations as text: seconds, or a number with a unit."""

from __future__ import annotations

import pytest

from altcraft_plugins.sandbox.durations import parse_pace, parse_seconds
from altcraft_plugins.sandbox.settings import parse_url


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("2.5", 2.5), (".5", 0.5), ("250ms", 0.25), ("30s", 30), ("5m", 300), ("1.5h", 5400), (" 3s ", 3)],
)
def test_a_duration_is_a_number_of_seconds_or_has_a_unit(text, seconds):
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "5 minutes", "5d", "-1", "+1", "1e3", "nan", "inf", "1_0", "٣", "9" * 400, "1m30s"]
)
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"is not a duration: write seconds \(2\.5\) or a unit"):
        parse_seconds(text)


def test_a_pace_is_a_duration_or_a_range_of_durations():
    assert parse_pace("30s") == 30
    assert parse_pace("500ms..5m") == (0.5, 300)


def test_a_url_takes_durations_with_units():
    settings = parse_url("sandbox:?pace=1m..2m&feedback_delay=500ms")
    assert (settings.pace, settings.feedback_delay) == ((60, 120), 0.5)
