"""The clients' surface, on both clients."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest

import altcraft
from altcraft import (
    AsyncClient,
    AsyncTask,
    BadRequest,
    Client,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    DecodeError,
    Feedback,
    HttpResponse,
    NotFound,
    Operation,
    PlainRequest,
    RateLimited,
    Reply,
    RequestTimeout,
    ResponseTooLarge,
    Retry,
    Task,
    TaskRequest,
    Unauthorized,
)
from altcraft.testing import reply
from both_clients import World

STARTED = reply({"task_id": "t-1"})
COUNTERS = reply([{"channel": "email", "status": {"all": 3, "subscribed": 2, "new_one": 1}}])


def sent(client: Any, index: int = -1) -> dict[str, Any]:
    return json.loads(client.fake.requests[index].body)


def test_a_segment_refresh_sends_what_the_documentation_shows(world: World) -> None:
    client = world.client([STARTED])
    task = world.do(client.segments.refresh_counters(7, resource_id=24, db_id=1))
    assert task.id == "t-1"
    assert client.fake.requests[0].url == "https://example.com/api/v1.1/segments/refresh_counters"
    assert sent(client) == {"token": "a-token", "id": 7, "resource_id": 24, "db_id": 1, "format": "json"}


def test_a_segment_refresh_takes_the_newer_name_of_the_database_too(world: World) -> None:
    client = world.client([STARTED])
    world.do(client.segments.refresh_counters(7, resource_id=24, list_id=1))
    assert sent(client) == {"token": "a-token", "id": 7, "resource_id": 24, "list_id": 1, "format": "json"}


def test_a_database_refresh_carries_its_feedback_with_the_default_type(world: World) -> None:
    client = world.client([STARTED])
    world.do(client.databases.refresh_counters(5, resource_id=24, feedback=Feedback("https://me.example/hook")))
    assert sent(client)["feedback"] == {"type": "JSON", "url": "https://me.example/hook"}


def test_a_resource_refresh_names_the_resource_by_id(world: World) -> None:
    client = world.client([STARTED])
    world.do(client.resources.refresh_counters(24, list_id=1))
    assert sent(client) == {"token": "a-token", "id": 24, "list_id": 1, "format": "json"}


@pytest.mark.parametrize("area", ["segments", "databases"])
def test_counters_are_read_at_once(world: World, area: str) -> None:
    client = world.client([COUNTERS])
    (email,) = world.do(getattr(client, area).get_counters(5, resource_id=24))
    assert email.channel == "email"
    assert (email.status.all, email.status.subscribed, email.status.unsubscribed) == (3, 2, None)
    assert email.status["new_one"] == 1
    assert dict(email.status) == {"all": 3, "subscribed": 2, "new_one": 1}


def test_no_counters_at_all_are_an_empty_list(world: World) -> None:
    client = world.client([reply(None), reply([])])
    assert world.do(client.databases.get_counters(5, resource_id=24)) == []
    assert world.do(client.databases.get_counters(5, resource_id=24)) == []


def test_xml_is_spoken_both_ways(world: World) -> None:
    client = world.client([reply({"task_id": "t-1"}, codec="xml")], codec="xml")
    assert world.do(client.segments.refresh_counters(7, resource_id=24)).id == "t-1"
    request = client.fake.requests[0]
    assert request.body.startswith(b"<xml><id>7</id>")
    assert b"<format>xml</format>" in request.body
    assert request.headers["Content-Type"] == request.headers["Accept"] == "application/xml"


def test_a_reply_is_read_by_what_it_is_not_by_what_was_asked_for(world: World) -> None:
    client = world.client([reply({"task_id": "t-1"}, codec="xml")], codec="json")
    assert world.do(client.segments.refresh_counters(7, resource_id=24)).id == "t-1"


def test_the_token_travels_as_bearer_when_told_so(world: World) -> None:
    client = world.client([STARTED], auth="bearer")
    world.do(client.segments.refresh_counters(7, resource_id=24))
    assert client.fake.requests[0].headers["Authorization"] == "Bearer a-token"
    assert "token" not in sent(client)


def test_a_submission_is_retried_when_nothing_was_sent(world: World) -> None:
    client = world.client([ConnectError("refused"), ConnectError("refused"), STARTED])
    assert world.do(client.segments.refresh_counters(7, resource_id=24)).id == "t-1"
    assert len(client.fake.requests) == 3
    first, second = world.clock.slept
    assert 0.25 <= first <= 0.5 <= second <= 1.0


@pytest.mark.parametrize(
    "failure",
    [ConnectionLost("reset"), RequestTimeout("late"), reply(error=503, status=503), reply(error=429, status=429)],
)
def test_a_submission_that_may_have_been_processed_is_never_sent_again(world: World, failure: Any) -> None:
    client = world.client([failure, STARTED])
    with pytest.raises(altcraft.AltcraftError):
        world.do(client.segments.refresh_counters(7, resource_id=24))
    assert len(client.fake.requests) == 1


@pytest.mark.parametrize("failure", [ConnectionLost("reset"), RequestTimeout("late"), reply(error=503, status=503)])
def test_a_reading_is_retried_after_any_failure_that_may_pass(world: World, failure: Any) -> None:
    client = world.client([failure, COUNTERS])
    assert world.do(client.databases.get_counters(5, resource_id=24))
    assert len(client.fake.requests) == 2


def test_attempts_count_the_first_one(world: World) -> None:
    client = world.client([ConnectError("refused")], repeat=True, retry=Retry(attempts=3))
    with pytest.raises(ConnectError):
        world.do(client.databases.get_counters(5, resource_id=24))
    assert len(client.fake.requests) == 3


def test_a_reply_that_is_too_large_is_not_asked_for_again(world: World) -> None:
    client = world.client([ResponseTooLarge("huge")], repeat=True)
    with pytest.raises(ResponseTooLarge):
        world.do(client.databases.get_counters(5, resource_id=24))
    assert len(client.fake.requests) == 1


def test_a_retry_waits_as_long_as_the_server_asks(world: World) -> None:
    client = world.client([reply(error=429, status=429, headers={"Retry-After": "7"}), COUNTERS])
    world.do(client.databases.get_counters(5, resource_id=24))
    assert world.clock.slept == [7.0]


@pytest.mark.parametrize(("code", "kind"), [(400, BadRequest), (401, Unauthorized), (404, NotFound)])
def test_refusals_become_errors_that_say_where(world: World, code: int, kind: type[altcraft.ApiError]) -> None:
    client = world.client([reply(error=code, error_text="no such thing")])
    with pytest.raises(kind) as caught:
        world.do(client.databases.get_counters(5, resource_id=24))
    assert (caught.value.code, caught.value.text, caught.value.http_status) == (code, "no such thing", 200)
    assert str(caught.value).startswith("databases/get_counters at example.com: ")


def test_a_refusal_after_all_attempts_says_when_to_come_back(world: World) -> None:
    refusal = reply(error=429, status=429, headers={"Retry-After": "5"})
    client = world.client([refusal], repeat=True, retry=Retry(attempts=2))
    with pytest.raises(RateLimited) as caught:
        world.do(client.databases.get_counters(5, resource_id=24))
    assert caught.value.retry_after == 5.0


def test_an_error_of_a_transport_that_sorts_nothing_counts_as_a_lost_connection(world: World) -> None:
    client = world.client([OSError("wires crossed")])
    with pytest.raises(ConnectionLost, match="wires crossed"):
        world.do(client.segments.refresh_counters(7, resource_id=24))


def test_a_mistake_in_a_transport_goes_through_as_it_is(world: World) -> None:
    client = world.client([ZeroDivisionError("oops")])
    with pytest.raises(ZeroDivisionError):
        world.do(client.segments.refresh_counters(7, resource_id=24))


def test_a_success_without_a_task_id_is_no_success(world: World) -> None:
    client = world.client([reply({"task_id": ""}), reply(None)])
    for _ in range(2):
        with pytest.raises(DecodeError, match="no task id"):
            world.do(client.segments.refresh_counters(7, resource_id=24))


def test_bad_input_is_refused_before_anything_is_sent(world: World) -> None:
    client = world.client()
    with pytest.raises(TypeError, match=r"segments/refresh_counters: id: Expected `int`, got `str`"):
        world.do(client.segments.refresh_counters("7", resource_id=24))
    with pytest.raises(TypeError, match=r"feedback\.url"):
        world.do(client.databases.refresh_counters(7, resource_id=24, feedback=Feedback(5)))  # type: ignore[arg-type]
    assert client.fake.requests == []


class Exported(altcraft.Reply):
    profile_id: int | None = None


class Import(PlainRequest[Exported], frozen=True):
    email: str


class Export(TaskRequest[dict[str, int]], frozen=True):
    source_id: int


class Undeclared(TaskRequest[int], frozen=True):
    pass


def test_a_declared_task_operation_gives_a_typed_task(world: World) -> None:
    done = reply({"status": "completed", "result": {"total": "5"}}, codec="xml")
    client = world.client([STARTED, done])
    client.operations.register(Operation("profiles/get_all", Export))
    task = world.do(client.submit(Export(source_id=1)))
    assert world.do(task.result()) == {"total": 5}
    assert client.fake.requests[0].url.endswith("/profiles/get_all")


def test_a_declared_plain_operation_may_have_its_keys_beside_data(world: World) -> None:
    body = b'{"profile_id": 9, "error": 0, "error_text": ""}'
    client = world.client([HttpResponse(200, {"content-type": "application/json"}, body)])
    client.operations.register(Operation("profiles/import", Import))
    assert world.do(client.call(Import("a@b.c"))).profile_id == 9


def test_an_undeclared_operation_is_named(world: World) -> None:
    client = world.client()
    with pytest.raises(LookupError, match="Undeclared"):
        world.do(client.submit(Undeclared()))


def test_submit_and_call_point_at_each_other(world: World) -> None:
    client = world.client()
    client.operations.register(Operation("profiles/import", Import))
    client.operations.register(Operation("profiles/get_all", Export))
    with pytest.raises(TypeError, match=r"client\.call"):
        world.do(client.submit(Import("a@b.c")))
    with pytest.raises(TypeError, match=r"client\.submit"):
        world.do(client.call(Export(1)))


def test_a_closed_client_sends_nothing(world: World) -> None:
    client = world.client([STARTED])
    task = client.tasks.resume("t-1")
    world.do(client.close())
    world.do(client.close())
    for outcome in (
        lambda: client.segments.refresh_counters(7, resource_id=24),
        lambda: client.databases.get_counters(7, resource_id=24),
        lambda: client.tasks.status("t-1"),
        lambda: task.result(),
        lambda: task.poll(),
    ):
        with pytest.raises(ClientClosed):
            world.do(outcome())
    assert client.fake.requests == []
    assert client.fake.closed


def test_a_status_of_a_bare_id_has_its_statistics_typed(world: World) -> None:
    for codec in ("json", "xml"):
        database = {"channels": [{"channel": "email", "status": {"all": 1}}], "total_count": 1, "resource_id": 2}
        segment = {"channels": [{"channel": "email", "status": {"all": 1}}], "list_id": 1}
        client = world.client(
            [
                reply({"status": "completed", "progress": 100, "result": [result]}, codec=codec)
                for result in (database, segment)
            ]
        )
        (first,) = world.do(client.tasks.status("t")).result
        (second,) = world.do(client.tasks.status("t")).result
        assert isinstance(first, altcraft.DatabaseStatistics)
        assert first.total_count == 1
        assert isinstance(second, altcraft.SegmentStatistics)
        assert second.list_id == 1


def test_a_status_of_a_bare_id_keeps_any_other_result_as_it_came(world: World) -> None:
    client = world.client([reply({"status": "completed", "result": {"urls": ["/a"]}})])
    assert world.do(client.tasks.status("t")).result == {"urls": ["/a"]}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"codec": "yaml"}, "no codec is named 'yaml'; known: json, xml"),
        ({"auth": "url"}, "choose 'body', as documented, or 'bearer'"),
        ({"request_timeout": 0}, "more than 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_advice(world: World, settings: Any, complaint: str) -> None:
    with pytest.raises((ValueError, LookupError), match=complaint):
        world.client(**settings)


def test_an_unknown_transport_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LookupError, match=r"'pigeon'.*urllib3"):
        Client("https://example.com", token="t", transport="pigeon")


@pytest.mark.parametrize("url", ["example.com", "http:/example.com", "ftp://example.com", ""])
def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https://your"):
        Client(url, token="t")


def test_a_url_with_credentials_is_refused_without_showing_them() -> None:
    with pytest.raises(ValueError, match="user name or a password") as caught:
        Client("https://me:hunter2@example.com", token="t")
    assert "hunter2" not in str(caught.value)


PAIRS = [(Client, AsyncClient), (Task, AsyncTask)] + [
    (getattr(altcraft.client, name), getattr(altcraft.async_client, f"Async{name}"))
    for name in ("Segments", "Databases", "Resources", "Tasks")
]


@pytest.mark.parametrize(("threads", "loop"), PAIRS)
def test_both_clients_have_the_same_surface(threads: type, loop: type) -> None:
    def surface(kind: type) -> dict[str, list[str]]:
        members = {
            name: member for name in dir(kind) if not name.startswith("_") and callable(member := getattr(kind, name))
        }
        return {name: list(inspect.signature(member).parameters) for name, member in members.items()}

    assert surface(threads) == surface(loop)
    ours, theirs = inspect.signature(threads).parameters, inspect.signature(loop).parameters
    assert list(ours) == list(theirs)
    assert {name: p.default for name, p in ours.items() if name != "transport"} == {
        name: p.default for name, p in theirs.items() if name != "transport"
    }


def test_reply_is_exported_for_those_who_declare_operations() -> None:
    assert issubclass(Exported, Reply)
