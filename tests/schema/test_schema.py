"""The structs: a missing field is None and not zero, and an undocumented counter is kept."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import ChannelStatistics, Counters, DatabaseStatistics, ResourceStatistics, SegmentStatistics
from altcraft.codecs import default_registry
from altcraft.schema import (
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    Feedback,
    Request,
    ResourcesRefreshCounters,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
    TaskStatus,
    TaskStatusRequest,
)

DOCUMENTED = (
    "all", "subscribed", "unsubscribed", "complained", "hardbounced", "unconfirmed", "suspended", "invalid",
    "subscribed_sendable", "unconfirmed_sendable",
)  # fmt: skip
both_formats = pytest.mark.parametrize("codec", list(default_registry()), ids=lambda codec: codec.name)

# Counters.


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_documented_counter_is_an_attribute_and_a_key(name: str) -> None:
    status = ChannelStatistics("email", {name: 5}).status
    assert getattr(status, name) == status[name] == 5
    assert list(status) == [name]


@pytest.mark.parametrize("name", DOCUMENTED)
@pytest.mark.parametrize("counts", [{}, {"other": 1}])
def test_a_counter_that_was_not_sent_is_none_and_no_key(name: str, counts: dict[str, int | None]) -> None:
    status = Counters(counts)
    assert getattr(status, name) is None
    assert name not in status
    with pytest.raises(KeyError, match=name):
        status[name]


def test_a_counter_that_came_as_null_counts_as_not_sent() -> None:
    status = Counters({"all": None, "invalid": 0})
    assert status.all is None
    assert (dict(status), len(status), "all" in status) == ({"invalid": 0}, 1, False)


def test_an_undocumented_counter_is_reached_by_its_name() -> None:
    status = ChannelStatistics("email", {"some_new_counter": 7, "all": 8}).status
    assert status["some_new_counter"] == 7
    assert dict(status) == {"some_new_counter": 7, "all": 8}
    with pytest.raises(AttributeError):
        status.some_new_counter  # type: ignore[attr-defined]  # noqa: B018  # on purpose


@given(st.dictionaries(st.text(max_size=5), st.none() | st.integers(), max_size=5))
def test_counters_are_the_mapping_of_what_was_sent(counts: dict[str, int | None]) -> None:
    status, sent = Counters(counts), {name: count for name, count in counts.items() if count is not None}
    assert dict(status) == sent
    assert status == sent
    assert len(status) == len(sent)
    assert list(status) == list(sent)


def test_counters_are_read_only_and_show_what_they_hold() -> None:
    status = Counters({"all": 3, "invalid": None})
    assert repr(status) == "Counters({'all': 3})"
    with pytest.raises(TypeError):
        status["all"] = 4  # type: ignore[index]  # on purpose
    with pytest.raises(AttributeError):
        status.all = 4  # type: ignore[misc]  # on purpose


@both_formats
def test_channels_and_counters_are_open_sets_in_any_order(codec: object) -> None:
    written = codec.encode({"channels": [{"status": {"zeta": 1, "all": 2}, "channel": "carrier_pigeon", "speed": 3}]})
    (channel,) = codec.decode(written, SegmentStatistics).channels
    assert (channel.channel, dict(channel.status)) == ("carrier_pigeon", {"zeta": 1, "all": 2})


# Statistics.


@both_formats
@pytest.mark.parametrize("type_", [SegmentStatistics, DatabaseStatistics, ResourceStatistics])
def test_fields_that_did_not_come_are_none(codec: object, type_: type) -> None:
    statistics = codec.decode(codec.encode({"brand_new": 1}), type_)
    assert statistics == type_()
    fields = {name: getattr(statistics, name) for name in type_.__struct_fields__}
    assert fields.pop("channels") == []
    assert set(fields.values()) == {None}


def test_each_kind_of_statistics_has_its_documented_fields() -> None:
    shared = {"channels", "in_progress", "refresh_task_id", "resource_id", "updated"}
    counted = {"last_count_time", "total_count"}
    assert set(SegmentStatistics.__struct_fields__) == shared | {"list_id"}
    assert set(DatabaseStatistics.__struct_fields__) == shared | counted
    assert set(ResourceStatistics.__struct_fields__) == shared | counted | {"list_id"}


@pytest.mark.parametrize(
    ("text", "moment", "duration"),
    [
        ("counted at 2024-04-17T21:36:01Z in 82.746959ms", (21, 36, 1, 0), timedelta(microseconds=82_747)),
        ("counted at 2024-04-17T21:36:01.5Z in 3s", (21, 36, 1, 500_000), timedelta(seconds=3)),
        (
            "counted at 2024-04-18T00:36:01+03:00 in 1h2m3.5s",
            (21, 36, 1, 0),
            timedelta(hours=1, minutes=2, seconds=3.5),
        ),
        ("counted at 2024-04-17T21:36:01Z in 1m30s", (21, 36, 1, 0), timedelta(seconds=90)),
        ("counted at 2024-04-17T21:36:01Z in 12.5µs", (21, 36, 1, 0), timedelta(microseconds=12)),
        ("counted at 2024-04-17T21:36:01Z in 12μs", (21, 36, 1, 0), timedelta(microseconds=12)),
        ("counted at 2024-04-17T21:36:01Z in 7us", (21, 36, 1, 0), timedelta(microseconds=7)),
        ("counted at 2024-04-17T21:36:01Z in 999ns", (21, 36, 1, 0), timedelta(microseconds=1)),
        ("counted at 2024-04-17T21:36:01Z in 0s", (21, 36, 1, 0), timedelta(0)),
    ],
)
@pytest.mark.parametrize("type_", [DatabaseStatistics, ResourceStatistics])
def test_last_count_time_is_read_as_a_time_and_a_duration(
    type_: type[DatabaseStatistics], text: str, moment: tuple[int, int, int, int], duration: timedelta
) -> None:
    statistics = type_(last_count_time=text)
    assert statistics.counted_at == datetime(2024, 4, 17, *moment, tzinfo=timezone.utc)
    assert statistics.counted_at.tzinfo is not None
    assert statistics.count_duration == duration


@pytest.mark.parametrize(
    "text",
    [
        None, "", "never", "counted at 2024-04-17T21:36:01Z", "counted at noon in 3s", "counted at  in ",
        "counted at 2024-04-17T21:36:01Z in", "counted at 2024-04-17T21:36:01Z in 3", "counted at 2024-04-17 in 3s",
        "counted at 2024-04-17T21:36:01 in 3s", "counted at 2024-04-17T21:36:01Z in 3 s", "Counted at 2024 in 3s",
        "counted at 2024-04-17T21:36:01Z in 3s ago", "counted at 2024-04-17T21:36:01Z in 3parsecs",
        "counted at 2024-13-17T21:36:01Z in 3s", "counted at 2024-04-17T21:36:01Z in -3s",
        "counted at 2024-04-17T21:36:01Z in 1e9h", "counted at 2024-04-17T21:36:01Z in " + "9" * 400 + "h",
        "counted at 2024-04-17T21:36:01Z in 99999999999999h", "подсчитано 2024-04-17",
        "counted at 2024-04-17T21:36:01Z in ms",
    ],
)  # fmt: skip
def test_a_last_count_time_of_another_form_is_none(text: str | None) -> None:
    statistics = DatabaseStatistics(last_count_time=text)
    assert statistics.counted_at is None
    assert statistics.count_duration is None


@given(
    st.text(max_size=40)
    | st.text("0123456789.nuµsmh-", max_size=15).map("counted at 2024-04-17T21:36:01Z in {}".format)
)
def test_no_text_breaks_the_reading_of_a_time(text: str) -> None:
    statistics = DatabaseStatistics(last_count_time=text)
    assert (statistics.counted_at is None) == (statistics.count_duration is None)


@both_formats
@pytest.mark.parametrize("status", ["completed", "success", "queued", "", "что-то новое"])
def test_statuses_are_an_open_set(codec: object, status: str) -> None:
    assert codec.decode(codec.encode({"status": status}), TaskStatus[object]) == TaskStatus(status)


# Requests.

REQUESTS: list[tuple[Request[object], dict[str, object]]] = [
    (SegmentsRefreshCounters(7, 24), {"id": 7, "resource_id": 24}),
    (SegmentsRefreshCounters(7, 24, db_id=1), {"id": 7, "resource_id": 24, "db_id": 1}),
    (SegmentsRefreshCounters(7, 24, list_id=1), {"id": 7, "resource_id": 24, "list_id": 1}),
    (DatabasesRefreshCounters(5, 24), {"id": 5, "resource_id": 24}),
    (ResourcesRefreshCounters(24, list_id=1), {"id": 24, "list_id": 1}),
    (ResourcesRefreshCounters(24, feedback=Feedback("u", "X")), {"id": 24, "feedback": {"url": "u", "type": "X"}}),
    (SegmentsGetCounters(7, 24, list_id=1), {"id": 7, "resource_id": 24, "list_id": 1}),
    (SegmentsGetCounters(7, 24, db_id=1), {"id": 7, "resource_id": 24, "db_id": 1}),
    (DatabasesGetCounters(5, 24), {"id": 5, "resource_id": 24}),
    (TaskStatusRequest("a"), {"task_id": "a"}),
]


@pytest.mark.parametrize(("request_", "sent"), REQUESTS, ids=lambda value: repr(value)[:60])
def test_a_request_has_the_given_fields_and_no_others(request_: Request[object], sent: dict[str, object]) -> None:
    assert msgspec.to_builtins(request_) == sent


@pytest.mark.parametrize("request_", [request for request, _ in REQUESTS], ids=lambda value: repr(value)[:60])
def test_a_request_is_immutable_and_can_be_pickled(request_: Request[object]) -> None:
    assert request_ == msgspec.structs.replace(request_)
    assert pickle.loads(pickle.dumps(request_)) == request_
    with pytest.raises(AttributeError):
        request_.format = "xml"  # type: ignore[misc]  # on purpose


@pytest.mark.parametrize("request_", [request for request, _ in REQUESTS], ids=lambda value: repr(value)[:60])
def test_the_repr_of_a_request_shows_its_fields(request_: Request[object]) -> None:
    shown = repr(request_)
    assert shown.startswith(type(request_).__name__ + "(")
    for name in request_.__struct_fields__:
        value = getattr(request_, name)
        assert (f"{name}={value!r}" in shown) is (value is not None)


def test_token_and_format_are_keywords_only() -> None:
    with pytest.raises(TypeError):
        DatabasesGetCounters(5, 24, "token")  # type: ignore[call-arg]  # on purpose
