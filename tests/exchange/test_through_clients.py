"""Declarations of a user's own, through both clients: what is refused is refused before anything is sent."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from altcraft import DatabaseStatistics, HttpRequest, HttpResponse, Operation, PlainRequest, TaskRequest, hookimpl
from altcraft.operations import OperationRegistry
from altcraft.schema import DatabasesGetCounters, DatabasesRefreshCounters
from altcraft.testing import reply
from both_clients import World

STARTED = reply({"task_id": "t-1"})
DONE = reply({"status": "completed", "result": [{"total_count": 5}]})


class A(msgspec.Struct):
    """One of two structs that nothing tells apart."""

    a: int


class B(msgspec.Struct):
    """The other."""

    b: int


class Create(PlainRequest[A | B], frozen=True):
    """A request that makes something, and whose answer can't be read."""


class Started(TaskRequest[list[A | B]], frozen=True):
    """A request that starts a task, and whose result can't be read."""


class Table(PlainRequest[list[list[str]]], frozen=True):
    """A request whose answer has no form in XML."""


@pytest.mark.parametrize("request_", [Create, Started])
def test_a_result_that_can_not_be_read_is_refused_when_registered(world: World, request_: Any) -> None:
    client = world.client([STARTED])
    with pytest.raises(TypeError, match=r"^x/y: .*union"):
        client.operations.register(Operation("x/y", request_))
    assert client.fake.requests == []


def test_the_clients_own_codec_decides(world: World) -> None:
    rows = [["a", "b"]]
    client = world.client([reply(rows)])
    client.operations.register(Operation("x/table", Table))
    assert world.do(client.call(Table())) == rows
    with pytest.raises(TypeError, match=r"^x/table: .*XML"):
        world.client(codec="xml").operations.register(Operation("x/table", Table))


class Plugin:
    """Registers operations while a client is made."""

    def __init__(self, *operations: Operation[Any]) -> None:
        self._operations = operations

    @hookimpl
    def altcraft_register_operations(self, registry: OperationRegistry) -> None:
        for operation in self._operations:
            registry.register(operation)


def test_a_plugins_operation_is_refused_before_anything_is_sent(world: World) -> None:
    client = world.client([STARTED], plugins=[Plugin(Operation("x/y", Create), Operation("x/start", Started))])
    with pytest.raises(TypeError, match=r"^x/y: "):
        world.do(client.call(Create()))
    with pytest.raises(TypeError, match=r"^x/start: "):
        world.do(client.submit(Started()))
    assert client.fake.requests == []


# A parameter that is newer than the library.


class Newer(DatabasesRefreshCounters, frozen=True, kw_only=True):
    """A built-in request with another parameter."""

    channels: list[str] | None = None


class NewerCounters(DatabasesGetCounters, frozen=True, kw_only=True):
    """The same for a method that answers at once."""

    since: str | None = None


NEWER = Operation("databases/refresh_counters", Newer)


@pytest.mark.parametrize("way", ["unregistered", "registered", "plugin"])
def test_a_subclass_of_a_built_in_request_is_sent_by_its_operation(world: World, way: str) -> None:
    client = world.client([STARTED, DONE, STARTED], plugins=[Plugin(NEWER)] if way == "plugin" else [])
    if way == "registered":
        client.operations.register(NEWER)
    task = world.do(client.submit(Newer(5, 24, channels=["email"])))
    assert task.operation == "databases/refresh_counters"
    assert world.do(task.result()) == [DatabaseStatistics(total_count=5)]
    assert json.loads(client.fake.requests[0].body)["channels"] == ["email"]
    assert world.do(client.databases.refresh_counters(5, resource_id=24)).operation == "databases/refresh_counters"


def test_a_subclass_of_a_built_in_plain_request_is_called_by_its_operation(world: World) -> None:
    client = world.client([reply([])])
    assert world.do(client.call(NewerCounters(5, 24, since="today"))) == []
    assert client.fake.requests[0].url.endswith("/databases/get_counters")


def test_a_task_of_a_subclass_is_resumed_with_its_token(world: World) -> None:
    client = world.client([STARTED, DONE])
    client.operations.register(NEWER)
    token = world.do(client.submit(Newer(5, 24, channels=["email"]))).resume_token
    assert world.do(client.tasks.resume(token).result()) == [DatabaseStatistics(total_count=5)]


# A path with a slash at its end.


def with_slash(request: HttpRequest) -> HttpResponse:
    """A server whose methods have a slash at their end."""
    if not request.url.endswith("/"):
        return HttpResponse(301, {"Location": request.url + "/"}, b"")
    return reply([{"channel": "email", "status": {"all": 1}}])


def test_the_advice_after_a_redirect_helps(world: World) -> None:
    client = world.client([with_slash], repeat=True)
    with pytest.raises(Exception, match=r"declare the path as Operation\('databases/get_counters/', …\)"):
        world.do(client.databases.get_counters(5, resource_id=24))
    client.operations.register(Operation("databases/get_counters/", DatabasesGetCounters, safe=True))
    (email,) = world.do(client.databases.get_counters(5, resource_id=24))
    assert (email.channel, client.fake.requests[-1].url) == (
        "email",
        "https://example.com/api/v1.1/databases/get_counters/",
    )


# A result that is None.


class Delete(PlainRequest[None], frozen=True):
    """A method without data."""

    id: int


class Batch(TaskRequest[None], frozen=True):
    """A task without a result."""

    id: int


class Spy:
    """Notes what the hooks tell."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    @hookimpl
    def altcraft_task_completed(self, task: Any, result: object) -> None:
        self.seen.append((task.id, result))


@pytest.mark.parametrize("codec", ["json", "xml"])
def test_a_task_without_a_result_is_done(world: World, codec: str) -> None:
    spy = Spy()
    client = world.client(
        [reply({"task_id": "t-1"}, codec=codec), reply({"status": "completed", "progress": 100}, codec=codec)],
        codec=codec,
        plugins=[spy],
    )
    client.operations.register(Operation("x/batch", Batch))
    task = world.do(client.submit(Batch(1)))
    called: list[object] = []
    task.add_done_callback(called.append)
    assert world.do(task.result()) is None
    assert world.do(task.result()) is None
    assert (task.done(), spy.seen, called) == (True, [("t-1", None)], [task])


@pytest.mark.parametrize("codec", ["json", "xml"])
def test_a_method_without_data_returns_none(world: World, codec: str) -> None:
    client = world.client([reply(None, codec=codec)], codec=codec)
    client.operations.register(Operation("x/delete", Delete))
    assert world.do(client.call(Delete(1))) is None
