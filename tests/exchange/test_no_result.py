"""A task or a call that succeeds without a result: the declared type decides what that means."""

from __future__ import annotations

from types import new_class
from typing import Annotated, Any

import msgspec
import pytest

from altcraft import DecodeError, NotFound, Operation, PlainRequest, Reply, SegmentStatistics, TaskRequest
from altcraft.exchange import Exchange
from exchange import DONE, JSON, XML, answer, exchange
from golden import ProfilesExport


class Row(msgspec.Struct):
    """An object with a required field."""

    id: int


class Empty(msgspec.Struct):
    """An object that requires nothing."""

    note: str | None = None


class Lists(msgspec.Struct):
    """An object that must have its array."""

    id: int
    names: list[str]


# What a reply may say in place of data: absent, null, and in XML an empty element, which is either.
ABSENT_JSON, NULL_JSON, ABSENT_XML, EMPTY_XML = "absent in JSON", "null in JSON", "absent in XML", "empty in XML"
ways = pytest.mark.parametrize("way", [ABSENT_JSON, NULL_JSON, ABSENT_XML, EMPTY_XML])
VOID = object()


def plain(result: Any) -> Operation[Any]:
    return Operation("x/plain", new_class("Plain", (PlainRequest[result],), {"frozen": True}))


def task(result: Any) -> Operation[Any]:
    return Operation("x/task", new_class("Started", (TaskRequest[result],), {"frozen": True}))


def of_call(operation: Operation[Any], way: str) -> Any:
    body, headers = {
        ABSENT_JSON: ('{"error":0,"error_text":""}', JSON),
        NULL_JSON: ('{"data":null,"error":0,"error_text":""}', JSON),
        ABSENT_XML: ("<xml><error>0</error></xml>", XML),
        EMPTY_XML: ("<xml><data/><error>0</error></xml>", XML),
    }[way]
    return reader(headers).result(operation, answer(body, headers))


def of_task(operation: Operation[Any], way: str) -> Any:
    body, headers = {
        ABSENT_JSON: ('{"data":{"status":"completed","progress":100},"error":0}', JSON),
        NULL_JSON: ('{"data":{"status":"completed","result":null},"error":0}', JSON),
        ABSENT_XML: ("<xml><data><status>completed</status></data><error>0</error></xml>", XML),
        EMPTY_XML: ("<xml><data><status>completed</status><result/></data><error>0</error></xml>", XML),
    }[way]
    state = reader(headers).status(operation, answer(body, headers), DONE)
    assert state.status == "completed"
    return state.result


def reader(headers: dict[str, str]) -> Exchange:
    return exchange("json" if headers is JSON else "xml")


def outcome(read: Any, operation: Operation[Any], way: str) -> object:
    """The result, or VOID for the error that there is none."""
    try:
        return read(operation, way)
    except DecodeError as error:
        return VOID if "carries no result" in str(error) else error


both = pytest.mark.parametrize(("declare", "read"), [(plain, of_call), (task, of_task)], ids=["call", "task"])


@both
@ways
@pytest.mark.parametrize(
    "result", [None, Row | None, int | None, bool | None, Annotated[Row | None, "!"], object, Any], ids=str
)
def test_none_is_the_result_where_the_type_admits_it(declare: Any, read: Any, way: str, result: Any) -> None:
    assert read(declare(result), way) is None


@both
@pytest.mark.parametrize("way", [ABSENT_JSON, NULL_JSON, ABSENT_XML])
@pytest.mark.parametrize("result", [list[Row] | None, dict[str, int] | None, str | None], ids=str)
def test_none_is_the_result_where_the_type_admits_an_empty_element_too(
    declare: Any, read: Any, way: str, result: Any
) -> None:
    assert read(declare(result), way) is None


@both
@pytest.mark.parametrize(
    ("result", "empty"),
    [(str, ""), (str | None, ""), (dict[str, int], {}), (list[Row] | None, []), (Empty, Empty())],
    ids=str,
)
def test_an_empty_element_is_what_the_type_makes_of_it(declare: Any, read: Any, result: Any, empty: object) -> None:
    assert read(declare(result), EMPTY_XML) == empty


@both
@pytest.mark.parametrize("result", [object, Any])
def test_an_empty_text_in_json_is_an_empty_text(declare: Any, read: Any, result: Any) -> None:
    del read
    operation = declare(result)
    if operation.status is None:
        assert exchange().result(operation, answer('{"data":"","error":0}')) == ""
    else:
        reply = answer('{"data":{"status":"completed","result":""},"error":0}')
        assert exchange().status(operation, reply, DONE).result == ""


@both
@pytest.mark.parametrize("way", [NULL_JSON, ABSENT_XML, EMPTY_XML])
@pytest.mark.parametrize(
    ("result", "empty"),
    [
        (list[Row], []),
        (list[str], []),
        (list[SegmentStatistics], []),
        (set[str], set()),
        (frozenset[int], frozenset()),
        (tuple[Row, ...], ()),
        (Annotated[list[Row], "rows"], []),
    ],
    ids=str,
)
def test_an_array_is_empty_where_the_reply_says_so(
    declare: Any, read: Any, way: str, result: Any, empty: object
) -> None:
    assert read(declare(result), way) == empty


@both
@pytest.mark.parametrize("result", [list[Row], set[str], tuple[Row, ...], list[SegmentStatistics]], ids=str)
def test_an_array_that_is_absent_in_json_is_not_invented(declare: Any, read: Any, result: Any) -> None:
    assert outcome(read, declare(result), ABSENT_JSON) is VOID


@both
@pytest.mark.parametrize("way", [ABSENT_JSON, NULL_JSON, ABSENT_XML])
@pytest.mark.parametrize(
    "result",
    [Row, Empty, ProfilesExport, int, str, bool, dict[str, int], tuple[int, int], Annotated[int, "n"]],
    ids=str,
)
def test_anything_else_must_be_there(declare: Any, read: Any, way: str, result: Any) -> None:
    assert outcome(read, declare(result), way) is VOID


@both
@pytest.mark.parametrize("result", [Row, int, bool], ids=str)
def test_an_empty_element_is_no_result_where_the_type_has_none(declare: Any, read: Any, result: Any) -> None:
    assert outcome(read, declare(result), EMPTY_XML) is VOID


@pytest.mark.parametrize("data", ["{}", "[]", '""', '{"id":5}', "17", "[1,[2]]"])
def test_data_of_a_method_declared_without_is_passed_over(data: str) -> None:
    assert exchange().result(plain(None), answer(f'{{"data":{data},"error":0}}')) is None
    for status in ("completed", "running"):
        body = f'{{"data":{{"status":"{status}","result":{data}}},"error":0}}'
        state = exchange().status(task(None), answer(body), DONE)
        assert (state.status, state.result) == (status, None)


@pytest.mark.parametrize("data", ["<a>1</a>", "x", "<a/><a/>", ""])
def test_data_of_a_method_declared_without_is_passed_over_in_xml(data: str) -> None:
    assert exchange("xml").result(plain(None), answer(f"<xml><data>{data}</data><error>0</error></xml>", XML)) is None


def test_an_array_in_a_result_is_empty_likewise() -> None:
    operation = plain(Lists)
    for body, headers in (
        ('{"data":{"id":1,"names":null},"error":0}', JSON),
        ("<xml><data><id>1</id></data><error>0</error></xml>", XML),
        ("<xml><data><id>1</id><names/></data><error>0</error></xml>", XML),
    ):
        assert reader(headers).result(operation, answer(body, headers)) == Lists(1, [])
    with pytest.raises(DecodeError, match="names"):
        exchange().result(operation, answer('{"data":{"id":1},"error":0}'))


class Page(Reply):
    """A whole reply that must have its array."""

    data: list[Row]
    next_id: int | None = None


def test_an_array_of_a_whole_reply_is_empty_likewise() -> None:
    operation = plain(Page)
    for way in (NULL_JSON, ABSENT_XML, EMPTY_XML):
        assert of_call(operation, way).data == []
    with pytest.raises(DecodeError, match="data"):
        of_call(operation, ABSENT_JSON)


def test_a_refusal_is_a_refusal_though_none_is_declared() -> None:
    response = answer('{"error":404,"error_text":"gone"}')
    with pytest.raises(NotFound):
        exchange().result(plain(None), response)
    with pytest.raises(NotFound):
        exchange().status(task(None), response, DONE)
