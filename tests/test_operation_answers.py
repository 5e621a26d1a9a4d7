"""What a request says of its answer, through the bases that lie between."""

from __future__ import annotations

import sys
from types import new_class
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import pytest
import typing_extensions

from altcraft import Operation, PlainRequest, Reply, SegmentStatistics, TaskRequest
from altcraft.exchange import Exchange
from altcraft.schema import Envelope, Request, TaskStatus
from exchange import DONE, answer, exchange

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
Fallback = typing_extensions.TypeVar("Fallback", default=list[str])


class Row(msgspec.Struct):
    """A struct of a user's own."""

    id: int
    email: str | None = None


class Page(msgspec.Struct, Generic[T]):
    """A generic struct of a user's own."""

    items: list[T]


class Whole(Reply, Generic[T]):
    """A generic reply of a user's own."""

    items: list[T]


class Listing(TaskRequest[list[T]], Generic[T], frozen=True):
    """A base for requests whose result is a list."""

    source_id: int


class Direct(TaskRequest[T], Generic[T], frozen=True):
    """A base that passes its variable on as it is."""


class Mapped(PlainRequest[dict[K, list[V]]], Generic[V, K], frozen=True):
    """A base with two variables, in another order than they are used in."""


class Half(Mapped[V, str], Generic[V], frozen=True):
    """A base that gives one of two variables."""


class Paged(PlainRequest[Page[T] | None], Generic[T], frozen=True):
    """A base whose result is a generic struct."""


class Limited(Listing[T], Generic[T], frozen=True):
    """A base of a base."""

    limit: int = 10


class Mixin:
    """A base that has nothing to do with requests."""


class Defaulted(TaskRequest[Fallback], Generic[Fallback], frozen=True):
    """A base whose variable has a default."""


class Noted(TaskRequest[Annotated[list[T], "noted"]], Generic[T], frozen=True):
    """A base whose result carries an annotation."""


def derived(*bases: Any) -> Any:
    return new_class("Derived", bases, {"frozen": True})


@pytest.mark.parametrize(
    ("base", "result"),
    [
        (Listing[Row], list[Row]),
        (Limited[Row], list[Row]),
        (Direct[list[Row]], list[Row]),
        (Direct[Row | None], Row | None),
        (Direct[None], type(None)),
        (Direct[Page[Row]], Page[Row]),
        (Mapped[Row, int], dict[int, list[Row]]),
        (Half[Row], dict[str, list[Row]]),
        (Paged[Row], Page[Row] | None),
        (Defaulted, list[str]),
        (Defaulted[Row], Row),
        (Noted[Row], Annotated[list[Row], "noted"]),
        (Direct[Page[Any]], Page[Any]),
        (Listing[list[SegmentStatistics]], list[list[SegmentStatistics]]),
    ],
    ids=str,
)
def test_type_variables_are_replaced_along_all_bases(base: Any, result: Any) -> None:
    request = derived(base)
    assert Operation("x", request).result == result
    assert Operation("x", derived(request)).result == result
    assert Operation("x", derived(Mixin, request)).result == result


def test_the_types_of_replies_follow() -> None:
    operation = Operation("x", derived(Listing[Row]))
    assert operation.status == Envelope[TaskStatus[list[Row]]]
    assert Operation("x", derived(Paged[Row])).reply == Envelope[Page[Row] | None]


def test_a_generic_whole_reply_is_read_by_its_type() -> None:
    operation = Operation("x", derived(PlainRequest[Whole[Row]]))
    reply = exchange().result(operation, answer('{"items":[{"id":1}],"error":0}'))
    assert (type(reply), reply.items) == (Whole, [Row(1)])


@pytest.mark.parametrize("format_", ["json", "xml"])
def test_a_result_through_a_generic_base_comes_typed(format_: str) -> None:
    body = {
        "json": '{"data":{"status":"completed","result":[{"id":1}]},"error":0}',
        "xml": "<xml><data><status>completed</status><result><id>1</id></result></data><error>0</error></xml>",
    }[format_]
    operation = Operation("rows/export", derived(Limited[Row]))
    assert exchange(format_).status(operation, answer(body, {}), DONE).result == [Row(1)]


@pytest.mark.parametrize(
    "request_",
    [
        Listing,
        derived(Listing),
        derived(Limited),
        derived(Direct),
        derived(Half),
        derived(Mapped),
        derived(Listing[Page[V]], Generic[V]),
        derived(Direct[dict[str, V]], Generic[V]),
        derived(Noted),
        derived(Paged),
    ],
)
def test_a_type_variable_that_is_left_open_is_refused_when_declared(request_: Any) -> None:
    with pytest.raises(TypeError, match=r"leaves a type variable open"):
        Operation("x", request_)


@pytest.mark.parametrize(
    "request_", [TaskRequest, derived(TaskRequest), derived(Request[int]), msgspec.Struct, int, Mixin]
)
def test_a_request_without_an_answer_is_refused(request_: Any) -> None:
    with pytest.raises(TypeError, match=r"derive it from TaskRequest\[R\] or PlainRequest\[R\]"):
        Operation("x", request_)


@pytest.mark.parametrize("request_", [Listing[Row], Direct[int], TaskRequest[int]])
def test_an_alias_is_no_request_class(request_: Any) -> None:
    with pytest.raises(TypeError, match="derive one from it"):
        Operation("x", request_)


if sys.version_info >= (3, 12):
    SOURCE = """
class Listing695[T](TaskRequest[list[T]], frozen=True):
    source_id: int

class Limited695[U](Listing695[U], frozen=True):
    limit: int = 10

class Rows695(Limited695[Row], frozen=True):
    pass

class Open695[T](Listing695[T], frozen=True):
    pass

type Many[T] = list[T]

class Aliased695(TaskRequest[Many[Row]], frozen=True):
    pass

class AliasedBase695[T](TaskRequest[Many[T]], frozen=True):
    pass

class AliasedRows695(AliasedBase695[Row], frozen=True):
    pass
"""
    NAMES: dict[str, Any] = {"TaskRequest": TaskRequest, "Row": Row}
    exec(SOURCE, NAMES)

    def test_type_parameters_in_brackets_are_replaced_too() -> None:
        assert Operation("x", NAMES["Rows695"]).result == list[Row]

    def test_type_parameters_in_brackets_are_refused_where_left_open() -> None:
        with pytest.raises(TypeError, match="leaves a type variable open"):
            Operation("x", NAMES["Open695"])

    @pytest.mark.parametrize("name", ["Aliased695", "AliasedRows695"])
    def test_an_alias_of_a_type_is_read_as_what_it_stands_for(name: str) -> None:
        body = '{"data":{"status":"completed","result":[{"id":1}]},"error":0}'
        for empty, result in (
            (body, [Row(1)]),
            (body.replace('{"id":1}', ""), []),
            (body.replace('[{"id":1}]', "null"), []),
        ):
            assert exchange().status(Operation("x", NAMES[name]), answer(empty), DONE).result == result


# The types are tried against the client's codec.


class A(msgspec.Struct):
    """One of two structs that nothing tells apart."""

    a: int


class B(msgspec.Struct):
    """The other."""

    b: int


class Foreign:
    """A class that msgspec does not know."""


UNREADABLE = [A | B, list[A | B], dict[int, A | B], Foreign, list[Foreign], "NoSuchClass"]


@pytest.mark.parametrize("declare", [TaskRequest, PlainRequest])
@pytest.mark.parametrize("result", UNREADABLE, ids=str)
@pytest.mark.parametrize("format_", ["json", "xml"])
def test_a_result_that_the_codec_can_not_read_is_refused_by_the_check(declare: Any, result: Any, format_: str) -> None:
    with pytest.raises(TypeError, match=r"^x/y: "):
        exchange(format_).check(Operation("x/y", derived(declare[result])))


@pytest.mark.parametrize("declare", [TaskRequest, PlainRequest])
def test_a_nested_array_has_no_form_in_xml(declare: Any) -> None:
    operation = Operation("x/y", derived(declare[list[list[str]]]))
    exchange("json").check(operation)
    with pytest.raises(TypeError, match=r"^x/y: .*XML"):
        exchange("xml").check(operation)


def test_a_readable_result_passes_the_check() -> None:
    reader: Exchange = exchange()
    for result in (list[Row], None, object, Any, Row | None, dict[str, int], Whole[Row]):
        reader.check(Operation("x/y", derived(PlainRequest[result])))
