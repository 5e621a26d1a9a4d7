"""Statistics as flat rows."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timezone
from typing import Any

import pytest

import altcraft
from altcraft import (
    ChannelStatistics,
    Counters,
    DatabaseStatistics,
    Feedback,
    ResourceStatistics,
    SegmentStatistics,
    TaskRequest,
    TaskStatus,
)
from altcraft.schema import (
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    Request,
    ResourcesRefreshCounters,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
)
from altcraft.testing import reply
from both_clients import World
from golden import example

MOMENT = datetime(2024, 4, 17, 21, 36, 1, tzinfo=timezone.utc)
KEYS = ["segment_id", "database_id", "list_id", "resource_id", "updated", "channel", *Counters.documented]
EMAIL = ChannelStatistics("email", {"all": 1336, "subscribed": 925})
PUSH = ChannelStatistics("push", {"all": 1336, "never_heard_of": 7})


def told(row: dict[str, object]) -> dict[str, object]:
    """What a row says, without what it does not know."""
    return {name: value for name, value in row.items() if value is not None}


def test_a_row_a_channel_has_what_the_platform_said() -> None:
    statistics = DatabaseStatistics(channels=[EMAIL, PUSH], resource_id=24, updated=MOMENT, total_count=1336)
    first, second = altcraft.rows([statistics])
    assert told(first) == {"resource_id": 24, "updated": MOMENT, "channel": "email", "all": 1336, "subscribed": 925}
    assert told(second) == {"resource_id": 24, "updated": MOMENT, "channel": "push", "all": 1336, "never_heard_of": 7}


def test_every_row_of_a_result_has_the_same_keys_in_the_same_order() -> None:
    first, second = altcraft.rows([EMAIL, PUSH])
    assert list(first) == list(second) == [*KEYS, "never_heard_of"]
    assert (first["never_heard_of"], second["subscribed"]) == (None, None)


def test_rows_of_several_kinds_go_into_one_table() -> None:
    rows = [
        *altcraft.rows([SegmentStatistics(channels=[EMAIL], list_id=1)], SegmentsRefreshCounters(7, 24)),
        *altcraft.rows([DatabaseStatistics(channels=[EMAIL])], DatabasesRefreshCounters(5, 24)),
        *altcraft.rows([EMAIL]),
    ]
    assert [list(row) for row in rows] == [KEYS] * 3


class Task:
    """What `rows` looks at of a task."""

    def __init__(self, request: Request[Any] | None) -> None:
        self.request = request


@pytest.mark.parametrize(
    ("request_", "asked"),
    [
        (SegmentsRefreshCounters(7, 24, db_id=1), {"segment_id": 7, "list_id": 1, "resource_id": 24}),
        (SegmentsRefreshCounters(7, 24, list_id=2), {"segment_id": 7, "list_id": 2, "resource_id": 24}),
        (SegmentsRefreshCounters(7, 24, db_id=0), {"segment_id": 7, "list_id": 0, "resource_id": 24}),
        (SegmentsGetCounters(7, 24), {"segment_id": 7, "resource_id": 24}),
        (DatabasesRefreshCounters(5, 24, Feedback("u")), {"database_id": 5, "resource_id": 24}),
        (DatabasesGetCounters(5, 24), {"database_id": 5, "resource_id": 24}),
        (ResourcesRefreshCounters(24, list_id=1), {"list_id": 1, "resource_id": 24}),
        (None, {}),
    ],
)
def test_the_request_tells_what_was_counted(request_: Request[Any] | None, asked: dict[str, object]) -> None:
    expected = {**asked, "channel": "email", "all": 1336, "subscribed": 925}
    assert told(altcraft.rows([EMAIL], Task(request_))[0]) == expected
    assert told(altcraft.rows([EMAIL], request_)[0]) == expected


def test_what_the_platform_says_goes_before_what_was_asked() -> None:
    statistics = SegmentStatistics(channels=[EMAIL], list_id=2, resource_id=27)
    (row,) = altcraft.rows([statistics], SegmentsRefreshCounters(7, 24, db_id=1))
    assert (row["segment_id"], row["list_id"], row["resource_id"]) == (7, 2, 27)


class Own(TaskRequest[list[DatabaseStatistics]], frozen=True):
    """A request of a user's own."""

    id: int


def test_the_request_of_another_operation_tells_nothing() -> None:
    assert told(altcraft.rows([EMAIL], Own(5))[0]) == {"channel": "email", "all": 1336, "subscribed": 925}


def test_a_subclass_of_a_request_tells_as_much() -> None:
    class Newer(DatabasesRefreshCounters, frozen=True, kw_only=True):
        since: str | None = None

    assert altcraft.rows([EMAIL], Newer(5, 24))[0]["database_id"] == 5


@pytest.mark.parametrize("result", [None, [], DatabaseStatistics(), [SegmentStatistics(), ResourceStatistics()], ()])
def test_a_result_without_channels_has_no_rows(result: object) -> None:
    assert altcraft.rows(result) == []


def test_one_entry_is_as_good_as_a_list_of_one() -> None:
    statistics = DatabaseStatistics(channels=[EMAIL])
    assert altcraft.rows(statistics) == altcraft.rows([statistics]) == altcraft.rows(iter([statistics]))
    assert altcraft.rows(EMAIL) == altcraft.rows((EMAIL,))


@pytest.mark.parametrize("result", ["text", b"bytes", 5, {"channels": []}, ["text"], TaskStatus("completed"), [[5]]])
def test_rows_of_anything_but_statistics_are_a_type_error(result: object) -> None:
    with pytest.raises(TypeError, match="rows are made of statistics, not of a"):
        altcraft.rows(result)


def test_a_value_in_place_of_a_counter_is_in_the_row() -> None:
    channel = ChannelStatistics("email", {"all": None}, {"open_rate": 0.25, "trend": "up", "by_day": {"mon": [1]}})
    (row,) = altcraft.rows([channel])
    assert told(row) == {"channel": "email", "open_rate": 0.25, "trend": "up", "by_day": '{"mon":[1]}'}


def test_a_counter_never_takes_the_place_of_a_fact() -> None:
    (row,) = altcraft.rows(
        [ChannelStatistics("email", {"channel": 1, "resource_id": 2, "id": 3})], DatabasesGetCounters(5, 24)
    )
    assert told(row) == {
        "database_id": 5, "resource_id": 24, "channel": "email", "status.channel": 1, "status.resource_id": 2, "id": 3,
    }  # fmt: skip


def test_rows_can_be_written_as_csv_and_as_json() -> None:
    result = example("databases_refresh.completed", "json").decode().data.result  # type: ignore[attr-defined]
    rows = altcraft.rows(result, DatabasesRefreshCounters(5, 24))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=rows[0])
    writer.writeheader()
    writer.writerows(rows)
    (email, *_) = csv.DictReader(io.StringIO(text.getvalue()))
    assert (email["database_id"], email["channel"], email["hardbounced"], email["list_id"]) == ("5", "email", "411", "")
    assert json.loads(json.dumps(rows, default=str))[0]["subscribed"] == 925


def test_a_row_is_a_dict_of_its_own() -> None:
    first = altcraft.rows([EMAIL])
    first[0]["channel"] = "changed"
    assert altcraft.rows([EMAIL])[0]["channel"] == "email"


def test_a_tasks_result_and_the_task_make_rows(world: World) -> None:
    result = [{"channels": [{"channel": "email", "status": {"all": 3}}], "resource_id": 24, "list_id": 1}]
    client = world.client([reply({"task_id": "t"}), reply({"status": "completed", "result": result})])
    task = world.do(client.segments.refresh_counters(7, resource_id=24, db_id=1))
    (row,) = altcraft.rows(world.do(task.result()), task)
    assert told(row) == {"segment_id": 7, "list_id": 1, "resource_id": 24, "channel": "email", "all": 3}
