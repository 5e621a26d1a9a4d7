"""Tasks and results."""

from __future__ import annotations

import json
from typing import Any

import pytest

from altcraft import (
    BadRequest,
    ChannelStatistics,
    DatabaseStatistics,
    DecodeError,
    HttpResponse,
    NotFound,
    Operation,
    PlainRequest,
    Reply,
    ResourceStatistics,
    SegmentStatistics,
    TaskRequest,
    TaskStatus,
)
from altcraft.codecs import default_registry
from altcraft.operations import default_operations, unknown_task
from altcraft.schema import DatabasesGetCounters, DatabasesRefreshCounters, Envelope, SegmentsRefreshCounters
from exchange import DONE, XML, answer, both_formats, exchange
from golden import ProfilesExport, example

OPERATIONS = default_operations()
SEGMENTS = OPERATIONS.by_request(SegmentsRefreshCounters)
DATABASES = OPERATIONS.by_request(DatabasesRefreshCounters)
COUNTERS = OPERATIONS.by_request(DatabasesGetCounters)


class ProfilesGetAll(TaskRequest[ProfilesExport], frozen=True):
    """A task whose result is an object."""


class ProfileAdded(Reply):
    """A reply with a key beside `data`."""

    profile_id: int


class ProfileAdd(PlainRequest[ProfileAdded], frozen=True):
    """A method whose result is its whole reply."""


EXPORT = Operation("profiles/get_all", ProfilesGetAll)


def golden(name: str, format_: str) -> HttpResponse:
    return answer(example(name, format_).body, {"Content-Type": f"application/{format_}"})


@both_formats
def test_a_submission_gives_the_id_of_its_task(format_: str) -> None:
    response = golden("segments_refresh.started", format_)
    assert exchange(format_).task_id(SEGMENTS, response) == "55a345c8-3d79-47ef-b03e-b84ce8e0c126"


@pytest.mark.parametrize("data", ["", ',"data":null', ',"data":{"task_id":""}'])
def test_a_success_without_a_task_id_is_a_decode_error(data: str) -> None:
    with pytest.raises(DecodeError, match=r"segments/refresh_counters at your.host: .*no task id"):
        exchange().task_id(SEGMENTS, answer(f'{{"error":0{data}}}'))


@both_formats
@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (SEGMENTS, "segments_refresh.completed"),
        (DATABASES, "databases_refresh.completed"),
        (EXPORT, "profiles_get_all.completed"),
    ],
)
def test_a_finished_tasks_status_carries_its_typed_result(operation: Operation[Any], name: str, format_: str) -> None:
    expected = example(name, format_).decode()
    assert isinstance(expected, Envelope)
    assert exchange(format_).status(operation, golden(name, format_), DONE) == expected.data


@both_formats
@pytest.mark.parametrize(
    ("name", "kind"),
    [("segments_refresh.completed", SegmentStatistics), ("databases_refresh.completed", DatabaseStatistics)],
)
def test_statistics_of_an_unknown_task_come_typed(name: str, kind: type, format_: str) -> None:
    expected = example(name, format_).decode()
    assert isinstance(expected, Envelope)
    state = exchange(format_).status(unknown_task(), golden(name, format_), DONE)
    assert state == expected.data
    assert isinstance(state.result, list)
    assert [type(entry) for entry in state.result] == [kind]


@both_formats
def test_several_statistics_of_an_unknown_task_come_typed(format_: str) -> None:
    result = [{"list_id": 1, "channels": []}, {"total_count": 5, "channels": [{"channel": "email"}]}]
    body = default_registry().by_name(format_).encode({"data": {"status": "completed", "result": result}, "error": 0})
    state = exchange(format_).status(unknown_task(), answer(body, {}), DONE)
    assert state.result == [
        SegmentStatistics(list_id=1),
        DatabaseStatistics(total_count=5, channels=[ChannelStatistics("email")]),
    ]


class Anything(PlainRequest[object], frozen=True):
    """A method whose result has no declared type."""


@both_formats
def test_an_undeclared_result_may_be_an_array(format_: str) -> None:
    body = default_registry().by_name(format_).encode({"data": ["a", "b"], "error": 0})
    assert exchange(format_).result(Operation("x", Anything), answer(body, {})) == ["a", "b"]


@both_formats
def test_another_result_of_an_unknown_task_comes_untyped(format_: str) -> None:
    state = exchange(format_).status(unknown_task(), golden("profiles_get_all.completed", format_), DONE)
    assert isinstance(state.result, dict)
    assert state.result["type"] == "database"


@pytest.mark.parametrize("result", ["5", '"text"', "[]", "[1]", '{"channels":5}', '[{"channels":"x"}]', '[{"a":1}]'])
def test_the_status_of_an_unknown_task_is_read_beside_any_result(result: str) -> None:
    body = f'{{"data":{{"status":"completed","progress":100,"result":{result}}},"error":0}}'
    state = exchange().status(unknown_task(), answer(body), DONE)
    assert (state.status, state.result) == ("completed", json.loads(result))


@pytest.mark.parametrize(
    "result", ["", ',"result":null', ',"result":[]', ',"result":{}', ',"result":"soon"', ',"result":5']
)
def test_before_a_task_is_done_its_result_may_be_anything(result: str) -> None:
    body = f'{{"data":{{"status":"running","progress":5{result}}},"error":0}}'
    state = exchange().status(SEGMENTS, answer(body), DONE)
    assert (state.status, state.progress) == ("running", 5)
    assert state.result in (None, [])


@pytest.mark.parametrize("result", ["<result/>", "", "<result>soon</result>", "<result><a>1</a></result>"])
def test_before_a_task_is_done_its_result_may_be_anything_in_xml_too(result: str) -> None:
    body = f"<xml><data><status>running</status><progress/>{result}</data><error>0</error></xml>"
    state = exchange().status(EXPORT, answer(body, XML), DONE)
    assert (state.status, state.progress, state.result) == ("running", None, None)


@pytest.mark.parametrize("result", ['"soon"', '[{"channels":5}]', "[5]", '{"a":1}'])
def test_a_finished_task_with_a_result_of_another_shape_is_a_decode_error(result: str) -> None:
    body = f'{{"data":{{"status":"completed","result":{result}}},"error":0}}'
    with pytest.raises(DecodeError, match=r"\$\.data\.result"):
        exchange().status(SEGMENTS, answer(body), DONE)


@pytest.mark.parametrize("body", ['{"error":0}', '{"error":0,"data":null}'])
@pytest.mark.parametrize("operation", [SEGMENTS, EXPORT, unknown_task()])
def test_a_success_without_a_status_is_a_decode_error(body: str, operation: Operation[Any]) -> None:
    with pytest.raises(DecodeError, match=r"tasks/status at your.host: .*no status"):
        exchange().status(operation, answer(body), DONE)


@pytest.mark.parametrize("operation", [SEGMENTS, EXPORT, unknown_task()])
def test_a_refused_poll_is_that_refusal(operation: Operation[Any]) -> None:
    with pytest.raises(NotFound, match=r"tasks/status at your\.host: error 404: gone"):
        exchange().status(operation, answer('{"error":404,"error_text":"gone"}'), DONE)


@pytest.mark.parametrize(
    ("name", "format_", "channels"),
    [("databases_get_counters.reply", "json", ["email"]), ("segments_get_counters.reply", "xml", ["email", "push"])],
)
def test_a_plain_operations_result_is_its_data(name: str, format_: str, channels: list[str]) -> None:
    result = exchange(format_).result(COUNTERS, golden(name, format_))
    assert isinstance(result, list)
    assert all(isinstance(entry, ChannelStatistics) for entry in result)
    assert [entry.channel for entry in result] == channels


@both_formats
def test_a_result_that_is_the_whole_reply_has_the_keys_beside_data(format_: str) -> None:
    body = default_registry().by_name(format_).encode({"profile_id": 5, "error": 0, "error_text": ""})
    operation = Operation("profiles/add", ProfileAdd)
    assert exchange().result(operation, answer(body, {})) == ProfileAdded(profile_id=5, error=0, error_text="")


@both_formats
def test_a_refusal_of_a_method_with_its_own_reply_is_that_refusal(format_: str) -> None:
    body = default_registry().by_name(format_).encode({"error": 400, "error_text": "no email"})
    with pytest.raises(BadRequest, match="no email"):
        exchange().result(Operation("profiles/add", ProfileAdd), answer(body, {}))


def test_statistics_of_a_resource_keep_the_fields_of_both_families() -> None:
    body = '{"data":{"status":"completed","result":[{"list_id":1,"total_count":5,"channels":[]}]},"error":0}'
    expected = [ResourceStatistics(list_id=1, total_count=5)]
    assert exchange().status(unknown_task(), answer(body), DONE) == TaskStatus("completed", None, expected)
