"""The operations that the library brings keep the operation contract, with the platform's own examples."""

from __future__ import annotations

from typing import Any, ClassVar

from altcraft.operations import default_operations
from altcraft.schema import (
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    Feedback,
    Request,
    ResourcesRefreshCounters,
    ResourceStatistics,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
)
from altcraft.testing import Example, OperationContract
from golden import FOLDER, example

OPERATIONS = default_operations()


def text(name: str, format: str) -> str | None:
    """The example of that name, if its page has it in the format."""
    path = FOLDER / f"{name}.{format}"
    return path.read_text("utf-8") if path.exists() else None


def shown(value: object, name: str) -> Example:
    return Example(value, json=text(name, "json"), xml=text(name, "xml"))


def result(name: str, format: str) -> Any:
    """The result in a documented reply."""
    reply: Any = example(name, format).decode()
    return reply.data.result if name.endswith("completed") else reply.data


class TestSegmentsRefreshCounters(OperationContract):
    operation = OPERATIONS.by_request(SegmentsRefreshCounters)
    requests: ClassVar = [shown(SegmentsRefreshCounters(7, 24, db_id=1), "segments_refresh.request")]
    results: ClassVar = [shown(result("segments_refresh.completed", "json"), "segments_refresh.completed")]


class TestDatabasesRefreshCounters(OperationContract):
    operation = OPERATIONS.by_request(DatabasesRefreshCounters)
    requests: ClassVar = [
        Example(DatabasesRefreshCounters(5, 24)),
        Example(DatabasesRefreshCounters(5, 24, Feedback("http://127.0.0.1:9/closed"))),
    ]
    results: ClassVar = [shown(result("databases_refresh.completed", "json"), "databases_refresh.completed")]


class TestResourcesRefreshCounters(OperationContract):
    operation = OPERATIONS.by_request(ResourcesRefreshCounters)
    requests: ClassVar = [Example(ResourcesRefreshCounters(24)), Example(ResourcesRefreshCounters(24, list_id=5))]
    results: ClassVar = [Example([ResourceStatistics(list_id=5, total_count=3)]), Example([])]


class TestSegmentsGetCounters(OperationContract):
    operation = OPERATIONS.by_request(SegmentsGetCounters)
    requests: ClassVar = [Example(SegmentsGetCounters(7, 24, list_id=1))]
    results: ClassVar = [shown(result("segments_get_counters.reply", "xml"), "segments_get_counters.reply")]


class TestDatabasesGetCounters(OperationContract):
    operation = OPERATIONS.by_request(DatabasesGetCounters)
    requests: ClassVar = [Example(DatabasesGetCounters(5, 24))]
    results: ClassVar = [shown(result("databases_get_counters.reply", "json"), "databases_get_counters.reply")]


def test_no_operation_of_the_library_is_left_out() -> None:
    contracts = [contract for contract in OperationContract.__subclasses__() if contract.__module__ == __name__]
    tested: set[type[Request[Any]]] = {contract.operation.request for contract in contracts}
    assert tested == {operation.request for operation in OPERATIONS}
