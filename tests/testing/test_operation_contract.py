"""A sound operation passes the contract, of each kind. One with a fault fails the case for that fault."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import pytest

from altcraft import Client, Operation, PlainRequest, Polling, Reply, SegmentStatistics, TaskRequest
from altcraft.schema import SegmentsRefreshCounters
from altcraft.testing import Example, OperationContract
from altcraft_plugins.sandbox import MethodRegistry, Parameters, Platform, Sandbox
from altcraft_transports.wsgi import WsgiTransport


class Row(msgspec.Struct):
    id: int
    words: list[str] = []
    note: str | None = None


class RowsExport(TaskRequest[Row], frozen=True):
    id: int
    kind: str | None = None


class RowsPage(Reply):
    data: list[Row]
    total_count: int | None = None


class RowsList(PlainRequest[RowsPage], frozen=True):
    id: int


class RowsCount(PlainRequest[int], frozen=True):
    id: int


class Asked(Parameters, kw_only=True):
    id: int
    kind: str | None = None


def teach(methods: MethodRegistry) -> None:
    def export(asked: Asked, platform: Platform) -> object:
        return platform.start(asked, Row(asked.id, ["a", "b"]))

    methods.register("rows/export", Asked, export)
    methods.register("rows/list/", Asked, lambda asked, _: RowsPage(data=[Row(asked.id)], error=0))
    methods.register("rows/count", Asked, lambda asked, _: asked.id)


class Taught(OperationContract):
    """With a sandbox that knows the methods of this module."""

    def make_client(self, codec: str) -> Client:
        app = Sandbox(pace=0, profiles=10, teachers=[teach])
        polling = Polling(initial=0.01, maximum=0.05)
        return Client("https://x.example", "sandbox", codec=codec, transport=WsgiTransport(app), polling=polling)


class TestTask(Taught):
    operation = Operation("rows/export", RowsExport)
    requests: ClassVar = [
        Example(
            RowsExport(7, "all"),
            json='{"kind": "all", "token": "t", "id": 7, "format": "json"}',
            xml="<xml><token>t</token><id>7</id><kind>all</kind></xml>",
        ),
        Example(RowsExport(-1)),
    ]
    results: ClassVar = [
        Example(
            Row(7, ["a"]),
            json='{"data":{"status":"completed","progress":100,"result":{"id":7,"words":["a"]}},"error":0}',
            xml="<xml><data><status>completed</status><result><words>a</words><id>7</id></result></data><error>0</error></xml>",
        ),
        Example(Row(8)),
    ]


class TestWholeReply(Taught):
    operation = Operation("rows/list/", RowsList, safe=True)
    requests: ClassVar = [Example(RowsList(7))]
    results: ClassVar = [Example(RowsPage(data=[Row(1), Row(2, ["x"])], error=0, total_count=9))]


class TestPlain(Taught):
    operation = Operation("rows/count", RowsCount)
    requests: ClassVar = [Example(RowsCount(7), json='{"id": 7}')]
    results: ClassVar = [Example(3, json='{"data": 3, "error": 0}', xml="<xml><data>3</data><error>0</error></xml>")]


class TestBuiltIn(OperationContract):
    operation = Operation("segments/refresh_counters", SegmentsRefreshCounters)
    requests: ClassVar = [Example(SegmentsRefreshCounters(7, 24, db_id=1))]
    results: ClassVar = [Example([SegmentStatistics(list_id=1)])]


class Faulty(TestTask):
    __test__ = False


class Renamed(Faulty):
    """Sends another field than its page shows."""

    requests: ClassVar = [Example(RowsExport(7), json='{"ident": 7}', xml="<xml><ident>7</ident></xml>")]


class Misread(Faulty):
    results: ClassVar = [
        Example(
            Row(1, ["b"]),
            json='{"data":{"status":"completed","result":{"id":1,"words":["a"]}},"error":0}',
            xml="<xml><data><status>completed</status><result><id>1</id></result></data><error>0</error></xml>",
        )
    ]


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    id: int


class StrictExport(TaskRequest[Strict], frozen=True):
    id: int


class Forbidding(Faulty):
    operation: ClassVar[Any] = Operation("rows/export", StrictExport)
    requests: ClassVar = [Example(StrictExport(1))]
    results: ClassVar = [Example(Strict(1))]


class NestedExport(TaskRequest[list[list[str]]], frozen=True):
    id: int


class Nested(Faulty):
    """XML has no array of arrays."""

    operation: ClassVar[Any] = Operation("rows/export", NestedExport)
    requests: ClassVar = [Example(NestedExport(1))]
    results: ClassVar = [Example([["a"]])]


class Elsewhere(Faulty):
    operation: ClassVar[Any] = Operation("rows/unknown", RowsExport)


class Otherwise(Faulty):
    """The sandbox gives another result than the operation says."""

    operation: ClassVar[Any] = Operation("rows/count", RowsExport)


class Empty(Faulty):
    requests: ClassVar = []


class Foreign(Faulty):
    requests: ClassVar = [Example(RowsCount(1))]


CASES: list[Any] = [
    ("test_a_request_is_written_as_its_page_shows_it_in_json", Renamed),
    ("test_a_request_is_written_as_its_page_shows_it_in_xml", Renamed),
    ("test_a_result_is_read_as_its_page_shows_it_in_json", Misread),
    ("test_a_result_is_read_as_its_page_shows_it_in_xml", Misread),
    ("test_unknown_fields_of_a_result_are_passed_over", Forbidding),
    ("test_both_formats_can_read_its_types", Nested),
    ("test_a_result_survives_a_round_trip_in_both_formats", Nested),
    ("test_it_answers_in_the_sandbox_in_json", Elsewhere),
    ("test_it_answers_in_the_sandbox_in_xml", Otherwise),
    ("test_it_has_examples_of_its_own_types", Empty),
    ("test_it_has_examples_of_its_own_types", Foreign),
]


@pytest.mark.parametrize(("case", "contract"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_a_faulty_operation_fails_the_case(case: str, contract: type[OperationContract]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the client's own errors are verdicts, too
        getattr(contract(), case)()
    assert not isinstance(caught.value, pytest.skip.Exception)


def test_what_an_operation_does_not_have_is_declared() -> None:
    class Silent(TestPlain):
        __test__ = False
        answers_in_the_sandbox = False

    for case, name in {
        "test_a_request_is_written_as_its_page_shows_it_in_xml": "a page with XML",
        "test_a_resume_token_leads_back_to_the_task": "resuming",
        "test_it_answers_in_the_sandbox_in_json": "the sandbox",
    }.items():
        with pytest.raises(pytest.skip.Exception, match=f"declared as not supported: {name}: "):
            getattr(Silent(), case)()
