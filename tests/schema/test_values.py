"""Every value can be pickled, copied, and taken apart into plain data."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest

from altcraft import (
    AltcraftError,
    ApiError,
    ChannelStatistics,
    Counters,
    DatabaseStatistics,
    DecodeError,
    ResourceStatistics,
    SegmentStatistics,
    TaskFailed,
    TaskStatus,
)
from altcraft.codecs import default_registry
from altcraft.schema import Envelope, ErrorEnvelope, TaskStarted
from altcraft.schema.lenient import restored, twin_of

CHANNELS = [
    ChannelStatistics("email", {"all": 5, "new": 0, "none": None}, {"open_rate": 0.25, "trend": ["up", {"a": None}]}),
    ChannelStatistics("push"),
]
MOMENT = datetime(2024, 4, 17, 21, 36, 1, 449_000, tzinfo=timezone.utc)
DATABASE = DatabaseStatistics(channels=CHANNELS, total_count=5, updated=MOMENT, last_count_time="x", in_progress=False)
VALUES: list[Any] = [
    CHANNELS[0],
    DATABASE,
    SegmentStatistics(channels=CHANNELS, list_id=1),
    ResourceStatistics(),
    TaskStatus("completed", 100, [DATABASE]),
    TaskStatus("failed", 12.5, {"errors": ["database is locked", None]}),
    Envelope(data=TaskStatus("completed", 100, [DATABASE]), error=0, error_text=""),
    Envelope(error=401),
    Envelope(data=TaskStarted("t-1")),
    ErrorEnvelope(error=1, error_text="x"),
]
every_value = pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:50])
COUNTERS = CHANNELS[0].status


@every_value
def test_a_value_can_be_pickled_and_copied(value: Any) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(value, protocol)) == value
    assert copy.copy(value) == value
    assert copy.deepcopy(value) == value


@every_value
def test_a_value_can_be_taken_apart_and_put_together(value: Any) -> None:
    built = msgspec.to_builtins(value)
    assert json.loads(json.dumps(built)) == built
    assert msgspec.json.decode(msgspec.json.encode(value)) == built


TYPED = [
    (CHANNELS[0], ChannelStatistics),
    (DATABASE, DatabaseStatistics),
    (TaskStatus("completed", 100, [DATABASE]), TaskStatus[list[DatabaseStatistics]]),
    (Envelope(data=[DATABASE], error=0), Envelope[list[DatabaseStatistics]]),
]


@pytest.mark.parametrize(("value", "type_"), TYPED, ids=lambda value: repr(value)[:40])
def test_plain_data_is_converted_back_by_its_type(value: Any, type_: Any) -> None:
    assert msgspec.convert(msgspec.to_builtins(value), type_) == value
    codec = default_registry().by_name("json")
    assert codec.decode(codec.encode(value), type_) == value


@pytest.mark.parametrize(("value", "type_"), TYPED, ids=lambda value: repr(value)[:40])
def test_the_second_reading_gives_what_the_first_gives(value: Any, type_: Any) -> None:
    codec = default_registry().by_name("json")
    assert restored(codec.decode(codec.encode(value), twin_of(type_))) == (
        msgspec.structs.replace(value, error_text=None, error=None) if isinstance(value, Envelope) else value
    )


def test_counters_can_be_pickled_and_copied() -> None:
    expected = {"all": 5, "new": 0, "open_rate": 0.25, "trend": ["up", {"a": None}]}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        same = pickle.loads(pickle.dumps(COUNTERS, protocol))
        assert (type(same), same) == (Counters, expected)
    for same in (copy.copy(COUNTERS), copy.deepcopy(COUNTERS)):
        assert (type(same), same, same.all) == (Counters, expected, 5)
    copied = copy.deepcopy(COUNTERS)
    trend: Any = copied["trend"]
    trend.append("down")
    assert COUNTERS["trend"] == ["up", {"a": None}]


def test_counters_are_plain_data_to_msgspec_and_to_json() -> None:
    expected = {"all": 5, "new": 0, "open_rate": 0.25, "trend": ["up", {"a": None}]}
    assert msgspec.to_builtins(COUNTERS) == json.loads(json.dumps(COUNTERS)) == expected
    assert msgspec.json.decode(msgspec.json.encode({"row": COUNTERS})) == {"row": expected}
    assert {**COUNTERS, "x": 1} == COUNTERS | {"x": 1}


@pytest.mark.parametrize(
    "change",
    [
        lambda counters: counters.__setitem__("all", 1),
        lambda counters: counters.__delitem__("all"),
        lambda counters: counters.__ior__({"all": 1}),
        lambda counters: counters.update(all=1),
        lambda counters: counters.setdefault("x", 1),
        lambda counters: counters.pop("all"),
        lambda counters: counters.popitem(),
        lambda counters: counters.clear(),
    ],
)
def test_counters_can_not_be_changed(change: Any) -> None:
    with pytest.raises(TypeError, match="read-only"):
        change(COUNTERS)
    assert COUNTERS.all == 5


@pytest.mark.parametrize("name", Counters.documented)
def test_a_documented_counter_says_what_it_counts(name: str) -> None:
    assert getattr(Counters, name).__doc__.endswith(".")
    assert (name in vars(Counters), getattr(Counters({name: 0.5}), name), getattr(Counters({name: True}), name)) == (
        True,
        None,
        None,
    )


@pytest.mark.parametrize(
    "error",
    [TaskFailed(VALUES[5]), ApiError(401, "no", 403, 5.0), DecodeError("no JSON")],
    ids=lambda e: type(e).__name__,
)
def test_an_error_can_be_pickled_and_copied(error: AltcraftError) -> None:
    error.locate("segments/refresh_counters", "your.host", "t-1")
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert (type(same), str(same), same.args) == (type(error), str(error), error.args)
