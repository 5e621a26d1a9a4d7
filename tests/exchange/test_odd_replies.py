"""Fields that serve for display, with values of another type: they never cost the rest of a reply."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import (
    ChannelStatistics,
    DatabaseStatistics,
    DecodeError,
    Operation,
    ResourceStatistics,
    SegmentStatistics,
    TaskRequest,
    TaskStatus,
)
from altcraft.codecs import default_registry
from altcraft.operations import default_operations, unknown_task
from altcraft.schema import DatabasesGetCounters, DatabasesRefreshCounters, ResourcesRefreshCounters
from exchange import DONE, XML, answer, both_formats, exchange

OPERATIONS = default_operations()
DATABASES = OPERATIONS.by_request(DatabasesRefreshCounters)
RESOURCES = OPERATIONS.by_request(ResourcesRefreshCounters)
COUNTERS = OPERATIONS.by_request(DatabasesGetCounters)
MOMENT = datetime(2024, 4, 17, 21, 36, 1, tzinfo=timezone.utc)


def written(value: object, format_: str) -> Any:
    body = json.dumps(value).encode() if format_ == "json" else default_registry().by_name("xml").encode(value)
    return answer(body, {"Content-Type": f"application/{format_}"})


def refreshed(entry: dict[str, object], format_: str, operation: Operation[Any] = DATABASES) -> Any:
    """The one entry of statistics in the result of a task."""
    reply = written({"data": {"status": "completed", "progress": 100, "result": [entry]}, "error": 0}, format_)
    (statistics,) = exchange(format_).status(operation, reply, DONE).result
    return statistics


def channel(status: object, format_: str) -> ChannelStatistics:
    reply = written({"data": [{"channel": "email", "status": status}], "error": 0}, format_)
    (counted,) = exchange(format_).result(COUNTERS, reply)
    return counted


# Counters.


@both_formats
def test_a_counter_that_is_a_fraction_is_kept_by_its_name(format_: str) -> None:
    counted = channel({"all": 1336, "subscribed": 925, "open_rate": 0.25}, format_)
    assert counted == ChannelStatistics("email", {"all": 1336, "subscribed": 925}, {"open_rate": 0.25})
    assert counted.status == {"all": 1336, "subscribed": 925, "open_rate": 0.25}
    assert (counted.status.all, counted.status["open_rate"]) == (1336, 0.25)


@both_formats
@pytest.mark.parametrize("operation", [DATABASES, RESOURCES, unknown_task()])
def test_a_fraction_does_not_cost_a_tasks_result(operation: Operation[Any], format_: str) -> None:
    entry = {"total_count": 1336, "channels": [{"channel": "email", "status": {"all": 1336, "open_rate": 0.25}}]}
    statistics = refreshed(entry, format_, operation)
    assert statistics.total_count == 1336
    assert statistics.channels[0].status == {"all": 1336, "open_rate": 0.25}


@pytest.mark.parametrize("value", ["up", "n/a", True, [1, 2], {"a": {"b": 1}}, "nan", "inf", -0.5, 1e300])
def test_any_value_in_place_of_a_counter_is_kept_by_its_name(value: object) -> None:
    counted = channel({"all": 5, "odd": value, "subscribed": value}, "json")
    assert counted.status["odd"] == value
    assert counted.status["subscribed"] == value
    assert (counted.status.all, counted.status.subscribed) == (5, None)


@pytest.mark.parametrize(
    ("xml", "value"),
    [
        ("<odd>up</odd>", "up"),
        ("<odd>0.25</odd>", 0.25),
        ("<odd>nan</odd>", "nan"),
        ("<odd>1</odd><odd>2</odd>", ["1", "2"]),
        ("<odd><a>1</a></odd>", {"a": "1"}),
    ],
)
def test_any_value_in_place_of_a_counter_is_kept_in_xml(xml: str, value: object) -> None:
    body = f"<xml><data><channel>email</channel><status><all>5</all>{xml}</status></data><error>0</error></xml>"
    (counted,) = exchange("xml").result(COUNTERS, answer(body, XML))
    assert counted.status == {"all": 5, "odd": value}


@pytest.mark.parametrize("value", ["1336", " 1336 ", 1336.0, "1336.0"])
def test_an_integer_in_another_spelling_is_an_integer(value: object) -> None:
    counted = channel({"all": value, "open_rate": 0.5}, "json")
    assert counted.status.all == 1336
    assert type(counted.status["all"]) is int


@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_counter_counts_as_not_sent(value: object) -> None:
    counted = channel({"all": value, "open_rate": 0.5}, "json")
    assert (counted.status.all, "all" in counted.status) == (None, False)


@pytest.mark.parametrize("status", [None, [], "", 5, "none", False])
def test_counters_that_are_no_object_are_none(status: object) -> None:
    assert channel(status, "json") == ChannelStatistics("email")


# The other fields.


@both_formats
@pytest.mark.parametrize(
    ("field", "sent", "read"),
    [
        ("in_progress", 0, False), ("in_progress", 1, True), ("in_progress", "true", True), ("in_progress", "no", None),
        ("in_progress", "", None), ("in_progress", 2, None),
        ("updated", "", None), ("updated", "yesterday", None), ("updated", "2024-04-17", None),
        ("updated", "2024-04-17T21:36:01", None), ("updated", 1713389761, MOMENT), ("updated", "1713389761", MOMENT),
        ("updated", " 2024-04-17T21:36:01Z ", MOMENT), ("updated", "9" * 40, None),
        ("resource_id", "24", 24), ("resource_id", 24.0, 24), ("resource_id", 24.5, None), ("resource_id", "x", None),
        ("resource_id", "", None),
        ("total_count", "1336", 1336), ("total_count", "many", None),
        ("list_id", "1", 1), ("list_id", "one", None),
        ("last_count_time", 82, "82"), ("last_count_time", 0.5, "0.5"),
        ("refresh_task_id", 17, "17"), ("refresh_task_id", "", ""),
    ],
)  # fmt: skip
def test_an_odd_value_is_read_if_it_makes_sense_and_none_otherwise(
    field: str, sent: object, read: object, format_: str
) -> None:
    statistics = refreshed({field: sent, "channels": [{"channel": "email"}]}, format_, RESOURCES)
    assert statistics == ResourceStatistics(channels=[ChannelStatistics("email")], **{field: read})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", [name for name in ResourceStatistics.__struct_fields__ if name != "channels"])
@pytest.mark.parametrize("sent", [[], {}, [1], {"a": 1}, None])
def test_a_field_with_an_array_or_an_object_is_none(field: str, sent: object) -> None:
    assert refreshed({field: sent, "channels": []}, "json", RESOURCES) == ResourceStatistics()


@pytest.mark.parametrize(("sent", "read"), [("50 %", None), ("50", 50), ("50.5", 50.5), (50.5, 50.5), ([50], None)])
@both_formats
def test_a_progress_that_makes_no_sense_is_none(sent: object, read: float | None, format_: str) -> None:
    reply = written({"data": {"status": "running", "progress": sent}, "error": 0}, format_)
    if format_ == "xml" and isinstance(sent, list):
        sent, read = sent[0], 50  # in XML, an array of one is its item
    assert exchange(format_).status(DATABASES, reply, DONE) == TaskStatus("running", read)


@pytest.mark.parametrize("sent", ["{}", "true", '"nan"', '"inf"', '"-infinity"', "[]", '"half"', '""'])
def test_no_progress_ends_a_wait(sent: str) -> None:
    reply = answer(f'{{"data":{{"status":"running","progress":{sent}}},"error":0}}')
    assert exchange().status(DATABASES, reply, DONE) == TaskStatus("running", None)


@pytest.mark.parametrize("sent", ["nan", "inf", "half", "<a>1</a>", "5</progress><progress>6"])
def test_no_progress_ends_a_wait_in_xml(sent: str) -> None:
    body = f"<xml><data><status>running</status><progress>{sent}</progress></data><error>0</error></xml>"
    assert exchange("xml").status(DATABASES, answer(body, XML), DONE) == TaskStatus("running", None)


@pytest.mark.parametrize("sent", ['"completed\\n"', '" completed "'])
def test_white_space_around_a_status_says_nothing_in_json(sent: str) -> None:
    reply = answer(f'{{"data":{{"status":{sent},"result":[]}},"error":0}}')
    assert exchange().status(DATABASES, reply, DONE) == TaskStatus("completed", None, [])


def test_a_task_id_that_is_a_number_is_its_text() -> None:
    assert exchange().task_id(DATABASES, answer('{"data":{"task_id":1234567890123456789},"error":0}')) == (
        "1234567890123456789"
    )


def test_white_space_around_a_task_id_says_nothing() -> None:
    assert exchange().task_id(DATABASES, answer('{"data":{"task_id":" t-1\\n"},"error":0}')) == "t-1"


def test_a_pretty_printed_reply_with_a_fraction_is_read_as_any_other() -> None:
    body = """<xml>
  <data>
    <status>
      completed
    </status>
    <result>
      <channels>
        <channel>
          email
        </channel>
        <status>
          <all>
            5
          </all>
          <rate>
            0.5
          </rate>
        </status>
      </channels>
      <refresh_task_id>
        t-2
      </refresh_task_id>
    </result>
  </data>
  <error>
    0
  </error>
</xml>"""
    state = exchange("xml").status(DATABASES, answer(body, XML), DONE)
    channels = [ChannelStatistics("email", {"all": 5}, {"rate": 0.5})]
    assert state == TaskStatus("completed", None, [DatabaseStatistics(channels=channels, refresh_task_id="t-2")])


# What is decided upon.


@pytest.mark.parametrize("data", ['{"progress":5}', '{"status":null}', '{"status":["completed"]}', '{"status":true}'])
def test_a_status_must_be_there(data: str) -> None:
    with pytest.raises(DecodeError, match="status"):
        exchange().status(DATABASES, answer(f'{{"data":{data},"error":0}}'), DONE)


@pytest.mark.parametrize("task_id", ["null", "[]", "true", '{"id":1}'])
def test_a_task_id_must_be_there(task_id: str) -> None:
    with pytest.raises(DecodeError, match="task_id"):
        exchange().task_id(DATABASES, answer(f'{{"data":{{"task_id":{task_id}}},"error":0}}'))


@pytest.mark.parametrize("entry", ['{"status":{"all":1}}', '{"channel":null}', '{"channel":["email"]}'])
def test_a_channel_must_have_its_name(entry: str) -> None:
    with pytest.raises(DecodeError, match="channel"):
        exchange().result(COUNTERS, answer(f'{{"data":[{entry}],"error":0}}'))


@pytest.mark.parametrize("channels", ['"email"', "5", '{"email":{"all":1}}', "[5]"])
def test_channels_of_another_shape_are_a_decode_error(channels: str) -> None:
    reply = answer(f'{{"data":{{"status":"completed","result":[{{"channels":{channels}}}]}},"error":0}}')
    with pytest.raises(DecodeError, match="channels"):
        exchange().status(DATABASES, reply, DONE)


class Row(msgspec.Struct):
    """A user's own struct, strict as declared."""

    id: int


class Export(TaskRequest[list[Row]], frozen=True):
    """A task of a user's own."""


def test_a_users_own_fields_are_as_strict_as_declared() -> None:
    operation = Operation("x/export", Export)
    odd = '{"data":{"status":"completed","progress":"all","result":[{"id":%s}]},"error":"0","error_text":[]}'
    assert exchange().status(operation, answer(odd % "1"), DONE) == TaskStatus("completed", None, [Row(1)])
    with pytest.raises(DecodeError, match="id"):
        exchange().status(operation, answer(odd % '"1"'), DONE)


class Report(msgspec.Struct):
    """A user's own struct around the library's."""

    title: str
    statistics: list[SegmentStatistics]
    by_name: dict[str, DatabaseStatistics | None] = {}
    inner: Report | None = None


class ReportRequest(TaskRequest[Report], frozen=True):
    """A task whose result holds statistics deep inside."""


@both_formats
def test_statistics_within_a_users_own_struct_are_as_tolerant(format_: str) -> None:
    odd = {"list_id": 1, "updated": "", "channels": [{"channel": "email", "status": {"rate": 0.5}}]}
    reply = written(
        {
            "data": {"status": "completed", "result": {"title": "t", "statistics": [odd], "by_name": {"a": odd}}},
            "error": 0,
        },
        format_,
    )
    report = exchange(format_).status(Operation("x/report", ReportRequest), reply, DONE).result
    channels = [ChannelStatistics("email", {}, {"rate": 0.5})]
    assert report == Report(
        "t", [SegmentStatistics(channels=channels, list_id=1)], {"a": DatabaseStatistics(channels=channels)}
    )


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.fixed_dictionaries({}, optional={n: anything for n in ResourceStatistics.__struct_fields__ if n != "channels"})
)
def test_no_value_of_a_field_costs_the_channels(fields: dict[str, object]) -> None:
    statistics = refreshed({**fields, "channels": [{"channel": "email", "status": {"all": 5}}]}, "json", RESOURCES)
    assert statistics.channels == [ChannelStatistics("email", {"all": 5})]


@given(st.dictionaries(st.text(max_size=4), anything, max_size=4))
def test_no_counter_costs_the_others(counters: dict[str, object]) -> None:
    counted = channel({**counters, "all": 5}, "json")
    assert counted.status.all == 5
    assert set(counted.status) | {name for name, value in counted.counters.items() if value is None} == {
        *counters,
        "all",
    }
