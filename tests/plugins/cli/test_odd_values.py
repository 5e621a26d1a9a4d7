"""Values at the edges of what Python can compute with: a command shows them, and never ends over one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altcraft import Client, HttpResponse
from altcraft.testing import FakeTransport, reply
from altcraft_plugins.cli.app import run
from altcraft_plugins.cli.connection import Connection
from plugins.cli.running import STARTED, completed

DATABASE = ("databases", "refresh", "5", "--resource", "24")
MODES = [(), ("--json",)]

TIMES = [
    "0001-01-01T00:00:00Z",  # Go's zero time
    "0001-01-01T00:00:00+02:30",  # the same, as a server in Moscow wrote it
    "0001-01-01T00:00:00+14:00",
    "0001-01-02T00:00:00+23:59",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-12:00",
    "9999-12-31T23:59:59.999999-00:01",
    "1969-12-31T23:59:59+03:00",
]
CHANNEL = {"channel": "email", "status": {"all": 10, "subscribed": 5}}
HUGE = 10**400


def repr_short(value: object) -> str:
    return repr(value)[:12]


def statistics(**fields: object) -> HttpResponse:
    return completed({"channels": [CHANNEL], **fields})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("time", TIMES)
def test_a_time_that_datetime_cannot_move_is_shown(altcraft, time: str, mode: tuple[str, ...]) -> None:
    last = f"counted at {time} in 0s"
    ran = altcraft(*DATABASE, *mode, script=[STARTED, statistics(updated=time, last_count_time=last)])
    assert (ran.code, ran.err) == (0, "")
    assert time[:4] in ran.out or "9999" in time  # in UTC it may be a day later


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        ("0001-01-01T00:00:00+02:30", "updated 0001-01-01 00:00:00+02:30"),
        ("0001-01-01T00:00:00Z", "updated 0001-01-01 00:00:00 UTC"),
        ("9999-12-31T23:59:59-12:00", "updated 9999-12-31 23:59:59-12:00"),
        ("2024-04-17T21:36:01+03:00", "updated 2024-04-17 18:36:01 UTC"),
    ],
)
def test_it_is_in_utc_or_else_in_its_own_time_zone(altcraft, time: str, shown: str) -> None:
    assert shown in altcraft(*DATABASE, script=[STARTED, statistics(updated=time)]).out


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "duration", ["2562047h47m16.854775807s", "9999999999h", "0.000001ns", "999999999999999999999h"]
)
def test_a_count_may_have_taken_any_time(altcraft, duration: str, mode: tuple[str, ...]) -> None:
    last = f"counted at 2024-04-17T21:36:01Z in {duration}"
    ran = altcraft(*DATABASE, *mode, script=[STARTED, statistics(last_count_time=last)])
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "fields",
    [
        {"total_count": HUGE},
        {"total_count": -HUGE},
        {"channels": [{"channel": "a", "status": {"all": HUGE, "subscribed": 1}}]},
        {"channels": [{"channel": "a", "status": {"all": 3, "subscribed": HUGE}}]},
        {"channels": [{"channel": "a", "status": {"all": HUGE, "subscribed": HUGE}}]},
        {"channels": [{"channel": "a", "status": {"all": -1, "subscribed": 5}}], "total_count": 0},
    ],
)
def test_a_number_may_be_beyond_any_float(altcraft, fields, mode: tuple[str, ...]) -> None:
    ran = altcraft(*DATABASE, *mode, script=[STARTED, statistics(**fields)])
    assert "Traceback" not in ran.err
    assert ran.code in (0, 1)  # 1 where the library cannot read the reply


@pytest.mark.parametrize("mode", [*MODES, ("-v",), ("--csv",)])
@pytest.mark.parametrize("progress", [HUGE, -HUGE, 1e308, -0.0, 2**63, "50 %", [], {"x": 1}, True], ids=repr_short)
def test_a_progress_may_make_no_sense(altcraft, progress: object, mode: tuple[str, ...]) -> None:
    for command in ("status", "wait"):
        done = reply({"status": "completed", "progress": progress, "result": [{"channels": [CHANNEL]}]})
        ran = altcraft("tasks", command, "a", *mode, script=[done])
        assert "Traceback" not in ran.err
        assert ran.code in (0, 1)


@pytest.mark.parametrize("mode", MODES)
def test_a_result_that_is_no_statistics_may_be_nested_as_deep_as_the_codec_reads(
    altcraft, mode: tuple[str, ...]
) -> None:
    for depth in (200, 900, 5000):
        body = b'{"data":{"status":"completed","result":' + b"[" * depth + b"]" * depth + b'},"error":0}'
        ran = altcraft(
            "tasks", "wait", "a", *mode, script=[HttpResponse(200, {"Content-Type": "application/json"}, body)]
        )
        assert "Traceback" not in ran.err
        assert ran.code in (0, 1)


texts = st.text(max_size=12)
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts | st.sampled_from(TIMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
channels = st.lists(
    st.fixed_dictionaries({"channel": texts, "status": st.dictionaries(texts, numbers | st.none(), max_size=4)}),
    max_size=3,
)
fields = st.sampled_from(["updated", "last_count_time", "total_count", "in_progress", "refresh_task_id", "resource_id"])
entries = st.builds(
    lambda some, rows: {**some, "channels": rows}, st.dictionaries(fields | texts, values, max_size=4), channels
)


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=settings.default.max_examples // 3)
@given(st.lists(entries, max_size=2) | values, values)
def test_a_command_ends_with_a_documented_code_for_any_json_of_the_platform(mode, result, progress) -> None:
    done = reply({"status": "completed", "progress": progress, "result": result})

    def connect(connection: Connection) -> Client:
        return Client("https://example.com", "token", transport=FakeTransport([STARTED, done]))

    assert run([*DATABASE, "--url", "https://example.com", *mode], connect=connect) in (0, 1)
