from __future__ import annotations

from datetime import datetime, timezone

import pytest

from altcraft_plugins.sandbox.counting.timestamps import go_duration, milliseconds, seconds


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (17, "17ns"),
        (999, "999ns"),
        (1_000, "1µs"),
        (812_500, "812.5µs"),
        (82_746_959, "82.746959ms"),
        (10_000_000, "10ms"),
        (1_500_000_000, "1.5s"),
        (1_000_000_001, "1.000000001s"),
        (60_250_000_000, "1m0.25s"),
        (3_600_000_000_000, "1h0m0s"),
        (7_203_000_000_000, "2h0m3s"),
    ],
)
def test_durations_read_as_go_prints_them(nanoseconds, text):
    assert go_duration(nanoseconds) == text


def test_moments_have_three_digits_of_milliseconds_always():
    moment = datetime(2024, 4, 17, 21, 36, 1, 449_999, timezone.utc)
    assert milliseconds(moment) == "2024-04-17T21:36:01.449Z"
    assert milliseconds(moment.replace(microsecond=0)) == "2024-04-17T21:36:01.000Z"
    assert seconds(moment) == "2024-04-17T21:36:01Z"
