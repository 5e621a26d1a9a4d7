"""Each hook is called at its moment; an observer that raises does no harm; a hook without observers costs nothing."""

from __future__ import annotations

import inspect
import logging
import sys
import types
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

import altcraft
from altcraft import (
    Client,
    Delivery,
    Feedback,
    HttpRequest,
    HttpResponse,
    ObservedExchange,
    Operation,
    PlainRequest,
    TaskFailed,
    WaitTimeout,
    hookimpl,
)
from altcraft.codecs import CodecRegistry
from altcraft.codecs.json import JsonCodec
from altcraft.hooks import Hooks, Specifications, guarded
from altcraft.operations import OperationRegistry
from altcraft.testing import FakeClock, FakeTransport, reply
from altcraft.wire.transport import TransportRegistry
from altcraft_plugins.feedback import FeedbackReceiver
from hooks.plugins import (
    ARGUMENTS,
    DONE,
    EXCHANGED,
    FAILED,
    OBSERVERS,
    RUNNING,
    SPECIFIED,
    STARTED,
    Recorder,
    client,
    plugin,
    raises,
    run,
)

pytestmark = pytest.mark.usefixtures("both_clients")

F = TypeVar("F", bound=Callable[..., object])

NOT_OF_A_RUN = ("altcraft_feedback_received", "altcraft_submitting", "altcraft_submission_failed")
OF_A_RUN = [name for name in OBSERVERS if name not in NOT_OF_A_RUN]
TESTED: set[str] = set()


SHOWN_ELSEWHERE = {  # in test_submissions_and_waits.py
    "altcraft_submitting", "altcraft_submission_failed", "altcraft_wait_started", "altcraft_wait_ended",
}  # fmt: skip


def proves(*hooks: str) -> Callable[[F], F]:
    """Marks a test as the one that shows when a hook is called, and with what."""
    TESTED.update(hooks)
    return lambda test: test


# The moment and the arguments of each hook.


def test_every_hook_has_a_docstring_and_a_test_here() -> None:
    assert set(SPECIFIED) == TESTED | SHOWN_ELSEWHERE
    for hook in SPECIFIED:
        assert inspect.getdoc(getattr(Specifications, hook))


def test_the_hooks_and_their_arguments_are_the_documented_ones() -> None:
    assert ARGUMENTS == {
        "altcraft_register_codecs": ["registry"],
        "altcraft_register_transports": ["registry"],
        "altcraft_register_operations": ["registry"],
        "altcraft_exchange_started": ["exchange"],
        "altcraft_exchange_finished": ["exchange", "response", "error", "elapsed"],
        "altcraft_submitting": ["submission"],
        "altcraft_submission_failed": ["submission", "error", "in_doubt"],
        "altcraft_task_submitted": ["task", "submission"],
        "altcraft_wait_started": ["task", "wait"],
        "altcraft_wait_ended": ["task", "error", "wait"],
        "altcraft_task_progress": ["task", "status"],
        "altcraft_task_completed": ["task", "result"],
        "altcraft_task_failed": ["task", "error"],
        "altcraft_feedback_received": ["delivery"],
    }


@proves("altcraft_register_codecs")
def test_a_client_uses_the_codec_of_a_plugin() -> None:
    class Shouted(JsonCodec):
        name = "shouted"
        content_types = ("application/shouted",)

    registrar = plugin("altcraft_register_codecs", lambda registry: registry.register(Shouted(), b"!"))
    with client([reply([], headers={"Content-Type": "application/json"})], registrar, codec="shouted") as made:
        made.databases.get_counters(5, resource_id=24)
        assert isinstance(made.codecs, CodecRegistry)
        assert isinstance(made.codecs.sniff(b"!"), Shouted)


@proves("altcraft_register_transports")
def test_a_plugins_transport_is_found_by_name_and_by_the_urls_scheme() -> None:
    urls: list[str] = []

    def create(url: str) -> FakeTransport:
        urls.append(url)
        return FakeTransport([reply([])])

    def register(registry: TransportRegistry) -> None:
        registry.register("scripted", create)

    registrar = plugin("altcraft_register_transports", register)
    for url, settings in (("https://your.host", {"transport": "scripted"}), ("scripted:?a=b", {})):
        with Client(url, "t", plugins=[registrar], **settings) as made:
            assert made.databases.get_counters(5, resource_id=24) == []
    assert urls == ["https://your.host", "scripted:?a=b"]


@proves("altcraft_register_operations")
def test_a_plugins_operation_can_be_called() -> None:
    class Ping(PlainRequest[str], frozen=True):
        pass

    def register(registry: OperationRegistry) -> None:
        registry.register(Operation("ping", Ping))

    with client([reply("pong")], plugin("altcraft_register_operations", register)) as made:
        assert made.call(Ping()) == "pong"


@proves("altcraft_exchange_started", "altcraft_exchange_finished")
def test_every_exchange_is_shown_before_and_after() -> None:
    recorder = Recorder()
    refusal = reply(error=503, status=503)
    with client([refusal, reply([])], recorder) as made:
        made.databases.get_counters(5, resource_id=24)
    assert recorder.names == EXCHANGED * 2
    started, finished = recorder.of("altcraft_exchange_started"), recorder.of("altcraft_exchange_finished")
    first, second = (call["exchange"] for call in started)
    assert [call["exchange"] for call in finished] == [first, second]
    assert first.request.url == "https://your.host/api/v1.1/databases/get_counters"
    assert (first.operation, first.task_id, first.attempt) == ("databases/get_counters", None, 1)
    assert second.attempt == 2
    assert first.retry_in is not None
    assert second.retry_in is None
    assert [call["response"].status for call in finished] == [503, 200]
    assert [call["error"] for call in finished] == [None, None]
    assert all(call["elapsed"] >= 0 for call in finished)


def test_the_time_of_an_exchange_is_what_it_took() -> None:
    recorder, clock = Recorder(), FakeClock()

    def slow(_request: HttpRequest) -> HttpResponse:
        clock.advance(1.5)
        return reply([])

    with client([slow], recorder, clock=clock) as made:
        made.databases.get_counters(5, resource_id=24)
    assert recorder.of("altcraft_exchange_finished")[0]["elapsed"] == pytest.approx(1.5)


def test_an_exchange_without_a_reply_ends_with_its_error() -> None:
    recorder = Recorder()
    made = client([altcraft.ConnectionLost("reset")], recorder, retry=altcraft.Retry(attempts=1))
    with made, pytest.raises(altcraft.ConnectionLost) as raised:
        made.databases.get_counters(5, resource_id=24)
    (finished,) = recorder.of("altcraft_exchange_finished")
    assert finished["response"] is None
    assert finished["error"] is raised.value


def test_a_reply_that_cannot_be_read_is_a_response() -> None:
    recorder = Recorder()
    with client([HttpResponse(200, {}, b"<html>")], recorder) as made, pytest.raises(altcraft.DecodeError):
        made.databases.get_counters(5, resource_id=24)
    (finished,) = recorder.of("altcraft_exchange_finished")
    assert (finished["response"].status, finished["error"]) == (200, None)


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_an_exchange_that_is_broken_off_has_its_end(end: type[BaseException]) -> None:
    recorder = Recorder()
    with client([end()], recorder) as made, pytest.raises(end):
        made.databases.get_counters(5, resource_id=24)
    assert recorder.names == EXCHANGED
    assert isinstance(recorder.of("altcraft_exchange_finished")[0]["error"], end)


def test_the_polls_of_a_wait_are_numbered_over_their_repetitions() -> None:
    recorder = Recorder()
    with client([altcraft.ConnectionLost("reset")] * 2 + [RUNNING, DONE], recorder) as made:
        made.tasks.resume("t-1").result()
    polls = [call["exchange"] for call in recorder.of("altcraft_exchange_finished")]
    assert [(poll.attempt, poll.retry_in is not None) for poll in polls] == [
        (1, True),
        (2, True),
        (3, False),
        (1, False),
    ]
    assert {(poll.operation, poll.task_id) for poll in polls} == {("tasks/status", "t-1")}


def test_an_observer_adds_headers_and_never_replaces_ours() -> None:
    def add(exchange: ObservedExchange) -> None:
        exchange.headers["traceparent"] = "00-abc-def-01"
        exchange.headers["content-type"] = "text/evil"
        exchange.headers.update({"AUTHORIZATION": "Bearer other", "Host": "other.host"})

    sent: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpResponse:
        sent.append(request)
        return reply([])

    with client([answer], plugin("altcraft_exchange_started", add), auth="bearer") as made:
        made.databases.get_counters(5, resource_id=24)
    headers = sent[0].headers
    assert headers["traceparent"] == "00-abc-def-01"
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Bearer s3cr3t"
    assert {name.lower() for name in headers} == {
        "traceparent", "content-type", "accept", "user-agent", "authorization",
    }  # fmt: skip
    assert "s3cr3t" not in repr(headers)


@pytest.mark.parametrize(("name", "value"), [("x\r\ny", "z"), ("x", "y\r\nz"), ("", "y"), ("x", "ж"), ("x y", "z")])
def test_a_header_that_would_break_the_request_is_reported_and_left_out(
    name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    def add(exchange: ObservedExchange) -> None:
        exchange.headers[name] = value

    with client([reply([])], plugin("altcraft_exchange_started", add)) as made:
        assert made.databases.get_counters(5, resource_id=24) == []
    assert "not a header" in caplog.text


@proves("altcraft_task_submitted", "altcraft_task_progress", "altcraft_task_completed")
def test_the_hooks_follow_a_task_from_its_submission_to_its_result() -> None:
    recorder = Recorder()
    result = run([RUNNING, DONE], recorder)
    assert recorder.names == [
        "submitting", *EXCHANGED, "task_submitted", "wait_started", *EXCHANGED, "task_progress", *EXCHANGED,
        "task_progress", "task_completed", "wait_ended",
    ]  # fmt: skip
    (submitted,), (completed,) = recorder.of("altcraft_task_submitted"), recorder.of("altcraft_task_completed")
    progress = recorder.of("altcraft_task_progress")
    assert (submitted["task"].id, submitted["done"]) == ("t-1", False)
    assert [(call["status"].status, call["status"].progress) for call in progress] == [
        ("running", 50),
        ("completed", 100),
    ]
    assert {id(call["task"]) for call in (submitted, *progress, completed)} == {id(submitted["task"])}
    assert (completed["result"], completed["done"]) == (result, True)


@proves("altcraft_task_failed")
def test_a_failed_task_calls_failed_and_not_completed() -> None:
    recorder = Recorder()
    error = run([RUNNING, FAILED], recorder)
    assert isinstance(error, TaskFailed)
    (failed,) = recorder.of("altcraft_task_failed")
    assert (failed["error"], failed["done"]) == (error, True)
    assert "your.host" in str(failed["error"])
    assert recorder.names[-3:] == ["task_progress", "task_failed", "wait_ended"]
    assert not recorder.of("altcraft_task_completed")


@proves("altcraft_feedback_received")
def test_a_delivery_calls_its_hook_after_the_hint(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    with client([STARTED, DONE], recorder, plugin("altcraft_feedback_received", raises)) as made:
        receiver = FeedbackReceiver("https://me.example", hooks=made.hooks)
        feedback = receiver.feedback()
        task = made.databases.refresh_counters(5, resource_id=24, feedback=feedback)
        assert receiver.deliver(feedback.url, {"Content-Type": "text/plain"}, b"done").status == 200
        assert task._followed.is_hinted
        task.result()
    (call,) = recorder.of("altcraft_feedback_received")
    assert call["delivery"] == Delivery(call["delivery"].key, "t-1", "text/plain", b"done")
    assert "a bug in a plugin" in caplog.text


def test_hooks_see_the_feedback_of_a_task() -> None:
    recorder, feedback = Recorder(), Feedback("https://me.example/hook")
    with client([STARTED, STARTED, DONE], recorder) as made:
        made.databases.refresh_counters(5, resource_id=24, feedback=feedback)
        made.databases.refresh_counters(5, resource_id=24)
        made.tasks.resume("t-1").result()
    submitted, completed = recorder.of("altcraft_task_submitted"), recorder.of("altcraft_task_completed")
    assert [call["task"].feedback for call in (*submitted, *completed)] == [feedback, None, None]


@pytest.mark.parametrize(("end", "hook"), [(DONE, "altcraft_task_completed"), (FAILED, "altcraft_task_failed")])
def test_the_end_of_a_task_calls_its_hook_once_however_often_it_is_polled(end: HttpResponse, hook: str) -> None:
    recorder = Recorder()
    with client([STARTED, end, end, end], recorder) as made:
        task = made.segments.refresh_counters(7, resource_id=24)
        for _ in range(3):
            task.poll()
        for _ in range(3):
            task.exception()
    assert len(recorder.of(hook)) == 1
    ends = [name for name in recorder.names if name in ("task_completed", "task_failed")]
    assert len(ends) == len(recorder.of("altcraft_task_progress")) == 1


def test_a_wait_that_times_out_calls_neither_completed_nor_failed() -> None:
    recorder = Recorder()
    with client([STARTED, *[RUNNING] * 50], recorder) as made, pytest.raises(WaitTimeout):
        made.segments.refresh_counters(7, resource_id=24).result(timeout=5)
    assert not {"task_completed", "task_failed"} & set(recorder.names)


def test_resuming_a_task_does_not_call_submitted() -> None:
    recorder = Recorder()
    with client([DONE], recorder) as made:
        made.tasks.resume("t-1").result()
    assert recorder.names == ["wait_started", *EXCHANGED, "task_progress", "task_completed", "wait_ended"]


# Observers that raise.


@pytest.mark.parametrize("hook", OF_A_RUN)
def test_an_observer_that_raises_stops_neither_the_other_observers_nor_the_wait(
    hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    end = FAILED if hook == "altcraft_task_failed" else DONE
    before, after = Recorder(), Recorder()
    with caplog.at_level(logging.DEBUG, "altcraft"):
        outcome = run([RUNNING, end], before, plugin(hook, raises), after)
    assert isinstance(outcome, TaskFailed if end is FAILED else list)
    assert before.names == after.names
    assert hook in dict(before.calls)
    records = [record for record in caplog.records if record.name == "altcraft.hooks"]
    assert len(records) == len(before.of(hook))
    for record in records:
        assert hook in record.getMessage()
        assert record.levelno == logging.ERROR
        assert record.exc_info is not None
        assert "a bug in a plugin" in str(record.exc_info[1])


@pytest.mark.parametrize("hook", OBSERVERS)
def test_every_observer_that_raises_is_logged(hook: str, caplog: pytest.LogCaptureFixture) -> None:
    hooks = Hooks([plugin(hook, raises), plugin(hook, raises), recorder := Recorder(), plugin(hook, raises)])
    hooks.fire(hook, **dict.fromkeys(ARGUMENTS[hook], types.SimpleNamespace(done=bool)))
    assert len(caplog.records) == 3
    assert len(recorder.calls) == 1


def test_the_log_names_a_plugin_by_its_class_and_tells_two_of_a_class_apart(caplog: pytest.LogCaptureFixture) -> None:
    class Journal:
        @hookimpl
        def altcraft_task_completed(self) -> None:
            raise OSError("disk full")

    assert isinstance(run([DONE], Journal(), Journal()), list)
    said = [record.getMessage() for record in caplog.records if record.name == "altcraft.hooks"]
    assert said == [
        f"the plugin {name} failed in altcraft_task_completed; everything else goes on"
        for name in ("'Journal 2'", "'Journal'")
    ]


async def later() -> None:
    raise AssertionError


def test_a_coroutine_that_an_observer_returns_is_closed_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(run([DONE], plugin("altcraft_task_completed", lambda *_: later())), list)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "a coroutine, which nothing awaits" in str(record.exc_info[1])


def test_a_coroutine_that_a_callback_returns_is_closed_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    guarded(lambda _: later(), None)
    assert "a coroutine, which nothing awaits" in caplog.text


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_an_observer_goes_through(stop: type[BaseException]) -> None:
    def interrupted(*_: object) -> None:
        raise stop

    with pytest.raises(stop):
        run([DONE], plugin("altcraft_task_progress", interrupted))


@pytest.mark.parametrize("hook", [name for name in SPECIFIED if name not in OBSERVERS])
def test_a_register_hook_that_raises_ends_the_making_of_the_client(hook: str) -> None:
    with pytest.raises(ValueError, match="a bug in a plugin"):
        client([], plugin(hook, raises))


def test_what_an_observer_returns_changes_nothing() -> None:
    observers = [plugin(hook, lambda *_: "something else") for hook in OBSERVERS]
    assert run([DONE], *observers) == run([DONE])


# A hook without observers.


def calls_of_plugins(work: Callable[[], object]) -> int:
    count = 0

    def profile(frame: types.FrameType, event: str, _argument: object) -> None:
        nonlocal count
        module = frame.f_globals.get("__name__", "")
        into_pluggy = module.partition(".")[0] == "pluggy"
        if event == "call" and (into_pluggy or (module == "altcraft.hooks.plugins" and frame.f_code.co_name == "call")):
            count += 1

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_a_hook_without_observers_makes_no_call() -> None:
    for plugins in ([], [plugin("altcraft_register_codecs", lambda registry: None)]):
        with client([STARTED, RUNNING, DONE], *plugins) as made:

            def work(made: Any = made) -> None:
                made.segments.refresh_counters(7, resource_id=24).result()

            assert calls_of_plugins(work) == 0


def test_an_observer_costs_a_call_for_its_own_hook_only() -> None:
    seen: list[object] = []
    with client([STARTED, RUNNING, DONE], plugin("altcraft_task_completed", lambda *a: seen.append(a))) as made:
        task = made.segments.refresh_counters(7, resource_id=24)
        assert calls_of_plugins(task.poll) == 0
        assert calls_of_plugins(task.result) == 1
    assert len(seen) == 1
