"""Hooks: each is called when it says so, none can hurt, and one that nobody listens to costs nothing."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import logging
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pluggy
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
    Submission,
    TaskFailed,
    TaskStatus,
    WaitTimeout,
    hookimpl,
)
from altcraft.codecs import CodecRegistry
from altcraft.codecs.json import JsonCodec
from altcraft.hooks import Hooks, Specifications
from altcraft.operations import OperationRegistry
from altcraft.schema import SegmentsRefreshCounters
from altcraft.testing import FakeClock, FakeTransport, reply
from altcraft.wire.transport import TransportRegistry
from altcraft_plugins.feedback import FeedbackReceiver
from both_clients import plain_client

pytestmark = pytest.mark.usefixtures("both_clients")

F = TypeVar("F", bound=Callable[..., object])

SPECIFIED = [name for name in vars(Specifications) if name.startswith("altcraft_")]
OBSERVERS = [name for name in SPECIFIED if not name.startswith("altcraft_register_")]
OF_A_RUN = [
    name
    for name in OBSERVERS
    if name not in ("altcraft_feedback_received", "altcraft_submitting", "altcraft_submission_failed")
]
ARGUMENTS = {name: list(inspect.signature(getattr(Specifications, name)).parameters)[1:] for name in SPECIFIED}
TESTED: set[str] = set()
NUMBERS = itertools.count()
STARTED = reply({"task_id": "t-1"})
RUNNING = reply({"status": "running", "progress": 50})
DONE = reply({"status": "completed", "progress": 100, "result": [{"resource_id": 24, "list_id": 1}]})
FAILED = reply({"status": "failed", "progress": 70})


def proves(*hooks: str) -> Callable[[F], F]:
    """Marks a test as the one that shows when a hook is called, and with what."""
    TESTED.update(hooks)
    return lambda test: test


class Recorder:
    """Listens to everything, and remembers it."""

    def __init__(self, name: str = "", heard: list[tuple[str, ...]] | None = None) -> None:
        self.name = name
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.heard = heard if heard is not None else []

    def note(self, hook: str, **arguments: object) -> None:
        self.calls.append((hook, arguments))
        self.heard.append((self.name, hook))

    @property
    def names(self) -> list[str]:
        return [hook.removeprefix("altcraft_") for hook, _ in self.calls]

    def of(self, hook: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == hook]

    @hookimpl
    def altcraft_exchange_started(self, exchange: ObservedExchange) -> None:
        self.note("altcraft_exchange_started", exchange=exchange)

    @hookimpl
    def altcraft_exchange_finished(
        self, exchange: ObservedExchange, response: HttpResponse | None, error: BaseException | None, elapsed: float
    ) -> None:
        self.note("altcraft_exchange_finished", exchange=exchange, response=response, error=error, elapsed=elapsed)

    @hookimpl
    def altcraft_submitting(self, submission: Submission) -> None:
        self.note("altcraft_submitting", submission=submission)

    @hookimpl
    def altcraft_submission_failed(self, submission: Submission, error: BaseException, in_doubt: bool) -> None:
        self.note("altcraft_submission_failed", submission=submission, error=error, in_doubt=in_doubt)

    @hookimpl
    def altcraft_task_submitted(self, task: altcraft.TaskHandle, submission: Submission) -> None:
        self.note("altcraft_task_submitted", task=task, submission=submission, done=task.done())

    @hookimpl
    def altcraft_wait_started(self, task: altcraft.TaskHandle) -> None:
        self.note("altcraft_wait_started", task=task)

    @hookimpl
    def altcraft_wait_ended(self, task: altcraft.TaskHandle, error: BaseException | None) -> None:
        self.note("altcraft_wait_ended", task=task, error=error)

    @hookimpl
    def altcraft_task_progress(self, task: altcraft.TaskHandle, status: TaskStatus[object]) -> None:
        self.note("altcraft_task_progress", task=task, status=status)

    @hookimpl
    def altcraft_task_completed(self, task: altcraft.TaskHandle, result: object) -> None:
        self.note("altcraft_task_completed", task=task, result=result, done=task.done())

    @hookimpl
    def altcraft_task_failed(self, task: altcraft.TaskHandle, error: altcraft.AltcraftError) -> None:
        self.note("altcraft_task_failed", task=task, error=error, done=task.done())

    @hookimpl
    def altcraft_feedback_received(self, delivery: Delivery) -> None:
        self.note("altcraft_feedback_received", delivery=delivery)


def plugin(hook: str, function: Callable[..., object], **options: bool) -> object:
    """A plugin with one hook, which calls `function` with all that the hook is given."""
    arguments = ", ".join(ARGUMENTS[hook])
    source = f"def {hook}({arguments}): return function({arguments})"
    names: dict[str, Any] = {"function": function}
    exec(source, names)
    module = types.ModuleType(f"plugin_{next(NUMBERS)}")
    setattr(module, hook, hookimpl(**options)(names[hook]))
    return module


def raises(*_: object) -> None:
    raise ValueError("a bug in a plugin")


def client(script: list[Any], *plugins: object, **settings: Any) -> Any:
    return plain_client("https://your.host", "s3cr3t", script, plugins=plugins, **settings)


def run(script: list[Any], *plugins: object) -> object:
    """The outcome of a segment's refresh over such a script."""
    with client([STARTED, *script], *plugins) as made:
        task = made.segments.refresh_counters(7, resource_id=24, db_id=1)
        return task.exception() or task.result()


# Each hook, when it says so.


def test_every_hook_is_documented_and_shown_to_work_in_this_file() -> None:
    assert set(SPECIFIED) == TESTED
    for hook in SPECIFIED:
        assert inspect.getdoc(getattr(Specifications, hook))


def test_the_hooks_are_those_that_are_promised() -> None:
    assert ARGUMENTS == {
        "altcraft_register_codecs": ["registry"],
        "altcraft_register_transports": ["registry"],
        "altcraft_register_operations": ["registry"],
        "altcraft_exchange_started": ["exchange"],
        "altcraft_exchange_finished": ["exchange", "response", "error", "elapsed"],
        "altcraft_submitting": ["submission"],
        "altcraft_submission_failed": ["submission", "error", "in_doubt"],
        "altcraft_task_submitted": ["task", "submission"],
        "altcraft_wait_started": ["task"],
        "altcraft_wait_ended": ["task", "error"],
        "altcraft_task_progress": ["task", "status"],
        "altcraft_task_completed": ["task", "result"],
        "altcraft_task_failed": ["task", "error"],
        "altcraft_feedback_received": ["delivery"],
    }


@proves("altcraft_register_codecs")
def test_a_plugins_codec_can_be_spoken() -> None:
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


EXCHANGED = ["exchange_started", "exchange_finished"]


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


@proves("altcraft_submitting", "altcraft_submission_failed")
def test_a_submission_is_announced_and_ends_in_a_task_or_a_failure() -> None:
    recorder = Recorder()
    request = SegmentsRefreshCounters(7, 24, db_id=1)
    script = [STARTED, reply(error=400, error_text="no such segment"), altcraft.ConnectionLost("reset")]
    with client(script, recorder) as made:
        task = made.submit(request, key="my-key", note="crm-42")
        for refused in (altcraft.BadRequest, altcraft.ConnectionLost):
            with pytest.raises(refused):
                made.submit(request)
    first, second, third = (call["submission"] for call in recorder.of("altcraft_submitting"))
    assert (first.key, first.operation, first.request, first.note) == (
        "my-key", "segments/refresh_counters", request, "crm-42",
    )  # fmt: skip
    assert first.submitted_at.tzinfo is not None
    assert len({first.key, second.key, third.key}) == 3
    (submitted,) = recorder.of("altcraft_task_submitted")
    assert submitted["submission"] is first
    assert (task.request, task.key, task.note) == (request, "my-key", "crm-42")
    failed = recorder.of("altcraft_submission_failed")
    assert [call["submission"] for call in failed] == [second, third]
    assert [call["in_doubt"] for call in failed] == [False, True]


@pytest.mark.parametrize(
    ("outcome", "in_doubt"),
    [
        (altcraft.ConnectError("refused"), False),
        (altcraft.RequestTimeout("slow"), True),
        (KeyboardInterrupt(), True),
        (reply(error=401, status=401), False),
        (reply(error=429, status=429), False),
        (HttpResponse(502, {}, b"<html>bad gateway</html>"), True),
        (HttpResponse(200, {}, b"<html>welcome</html>"), True),
        (reply({}), True),
    ],
    ids=["connect", "timeout", "interrupt", "refused", "rate", "gateway", "page", "no id"],
)
def test_a_failed_submission_says_whether_a_task_may_have_been_started(outcome: Any, in_doubt: bool) -> None:
    recorder = Recorder()
    made = client([outcome], recorder, retry=altcraft.Retry(attempts=1))
    with made, pytest.raises((altcraft.AltcraftError, KeyboardInterrupt)):
        made.segments.refresh_counters(7, resource_id=24)
    (failed,) = recorder.of("altcraft_submission_failed")
    assert failed["in_doubt"] is in_doubt


def test_the_key_stays_the_same_over_the_retries_of_a_submission() -> None:
    recorder = Recorder()
    with client([altcraft.ConnectError("refused"), STARTED], recorder) as made:
        made.segments.refresh_counters(7, resource_id=24)
    assert len(recorder.of("altcraft_submitting")) == 1
    assert len(recorder.of("altcraft_exchange_started")) == 2


def test_what_submitting_raises_ends_the_submission_before_it_is_sent() -> None:
    recorder = Recorder()
    made = client([], plugin("altcraft_submitting", raises), recorder)
    with made, pytest.raises(ValueError, match="a bug in a plugin"):
        made.segments.refresh_counters(7, resource_id=24)
    assert recorder.names == ["submitting", "submission_failed"]
    assert recorder.of("altcraft_submission_failed")[0]["in_doubt"] is False


@proves("altcraft_wait_started", "altcraft_wait_ended")
@pytest.mark.parametrize(
    ("script", "error"),
    [
        ([DONE], None),
        ([FAILED], None),
        ([RUNNING] * 50, WaitTimeout),
        ([reply(error=403)], altcraft.Forbidden),
        ([KeyboardInterrupt()], KeyboardInterrupt),
    ],
    ids=["done", "failed", "timeout", "refusal", "interrupt"],
)
def test_every_wait_has_its_start_and_its_end(script: list[Any], error: type[BaseException] | None) -> None:
    recorder = Recorder()
    with client(script, recorder) as made:
        task = made.tasks.resume("t-1")
        with contextlib.suppress(TaskFailed, error or TaskFailed):
            task.result(timeout=5)
    (started,), (ended,) = recorder.of("altcraft_wait_started"), recorder.of("altcraft_wait_ended")
    assert started["task"] is ended["task"]
    assert ended["error"] is None if error is None else isinstance(ended["error"], error)
    assert recorder.names[0] == "wait_started"
    assert recorder.names[-1] == "wait_ended"


@proves("altcraft_task_submitted", "altcraft_task_progress", "altcraft_task_completed")
def test_a_task_is_watched_from_its_submission_to_its_result() -> None:
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
def test_a_failed_task_is_told_as_failed_and_not_as_completed() -> None:
    recorder = Recorder()
    error = run([RUNNING, FAILED], recorder)
    assert isinstance(error, TaskFailed)
    (failed,) = recorder.of("altcraft_task_failed")
    assert (failed["error"], failed["done"]) == (error, True)
    assert "your.host" in str(failed["error"])
    assert recorder.names[-3:] == ["task_progress", "task_failed", "wait_ended"]
    assert not recorder.of("altcraft_task_completed")


@proves("altcraft_feedback_received")
def test_a_delivery_is_told_after_its_task_was_hinted_at(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    with client([STARTED, DONE], recorder, plugin("altcraft_feedback_received", raises)) as made:
        receiver = FeedbackReceiver("https://me.example", hooks=made.hooks)
        feedback = receiver.feedback()
        task = made.databases.refresh_counters(5, resource_id=24, feedback=feedback)
        assert receiver.deliver(feedback.url, {"Content-Type": "text/plain"}, b"done").status == 200
        assert task._followed.is_hinted
        task.result()
    (told,) = recorder.of("altcraft_feedback_received")
    assert told["delivery"] == Delivery(told["delivery"].key, "t-1", "text/plain", b"done")
    assert "a bug in a plugin" in caplog.text


def test_hooks_see_where_the_platform_was_asked_to_report() -> None:
    recorder, feedback = Recorder(), Feedback("https://me.example/hook")
    with client([STARTED, STARTED, DONE], recorder) as made:
        made.databases.refresh_counters(5, resource_id=24, feedback=feedback)
        made.databases.refresh_counters(5, resource_id=24)
        made.tasks.resume("t-1").result()
    submitted, completed = recorder.of("altcraft_task_submitted"), recorder.of("altcraft_task_completed")
    assert [call["task"].feedback for call in (*submitted, *completed)] == [feedback, None, None]


@pytest.mark.parametrize(("end", "hook"), [(DONE, "altcraft_task_completed"), (FAILED, "altcraft_task_failed")])
def test_the_end_of_a_task_is_told_once_however_often_it_is_looked_at(end: HttpResponse, hook: str) -> None:
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


def test_a_wait_that_times_out_is_no_end_of_the_task() -> None:
    recorder = Recorder()
    with client([STARTED, *[RUNNING] * 50], recorder) as made, pytest.raises(WaitTimeout):
        made.segments.refresh_counters(7, resource_id=24).result(timeout=5)
    assert not {"task_completed", "task_failed"} & set(recorder.names)


def test_resuming_a_task_is_no_submission() -> None:
    recorder = Recorder()
    with client([DONE], recorder) as made:
        made.tasks.resume("t-1").result()
    assert recorder.names == ["wait_started", *EXCHANGED, "task_progress", "task_completed", "wait_ended"]


# Guarded.


@pytest.mark.parametrize("hook", OF_A_RUN)
def test_an_observer_that_raises_silences_nobody_and_ends_nothing(hook: str, caplog: pytest.LogCaptureFixture) -> None:
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
def test_several_observers_that_raise_are_all_reported(hook: str, caplog: pytest.LogCaptureFixture) -> None:
    hooks = Hooks([plugin(hook, raises), plugin(hook, raises), recorder := Recorder(), plugin(hook, raises)])
    hooks.fire(hook, **dict.fromkeys(ARGUMENTS[hook], types.SimpleNamespace(done=bool)))
    assert len(caplog.records) == 3
    assert len(recorder.calls) == 1


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


# Who is called, and in which order.


def order(*plugins: tuple[str, dict[str, bool]]) -> str:
    called: list[str] = []
    hooks = Hooks(
        plugin("altcraft_exchange_started", lambda _exchange, name=name: called.append(name), **options)
        for name, options in plugins
    )
    hooks.fire("altcraft_exchange_started", exchange=None)
    return "".join(called)


def test_the_plugin_that_came_last_is_called_first_unless_they_say_otherwise() -> None:
    assert order(("a", {}), ("b", {}), ("c", {})) == "cba"
    assert order(("a", {"tryfirst": True}), ("b", {}), ("c", {"trylast": True})) == "abc"
    assert order(("a", {"trylast": True}), ("b", {"tryfirst": True}), ("c", {})) == "bca"


def test_plugins_are_called_in_the_order_in_which_one_pluggy_call_would_have_called_them() -> None:
    heard: list[tuple[str, ...]] = []
    run([DONE], *[Recorder(name, heard) for name in "abc"])
    calls = ["".join(name for name, _ in heard[at : at + 3]) for at in range(0, len(heard), 3)]
    assert set(calls) == {"cba"}


class Wrapper:
    """A wrapper, as pluggy has them: what is before its yield, and what is after it."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.said: list[str] = []

    @hookimpl(wrapper=True)
    def altcraft_task_progress(self, status: TaskStatus[object]) -> Iterator[None]:
        self.said.append(f"before {status.status}")
        if self.broken:
            raise ValueError("a bug in a wrapper")
        result = yield
        self.said.append(f"after {status.status}")
        return result


def test_both_halves_of_a_wrapper_are_called() -> None:
    wrapper = Wrapper()
    run([RUNNING, DONE], wrapper)
    assert wrapper.said == ["before running", "after running", "before completed", "after completed"]


def test_a_wrapper_that_raises_silences_nobody(caplog: pytest.LogCaptureFixture) -> None:
    wrapper, first, last = Wrapper(broken=True), Recorder(), Recorder()
    assert isinstance(run([RUNNING, DONE], first, wrapper, last), list)
    assert first.names == last.names
    assert len(first.of("altcraft_task_progress")) == 2
    assert [record.name for record in caplog.records] == ["altcraft.hooks"] * 2


def test_an_implementation_takes_as_many_arguments_as_it_needs() -> None:
    seen: list[object] = []

    class Frugal:
        @hookimpl
        def altcraft_exchange_finished(self, elapsed: float) -> None:
            seen.append(elapsed)

        @hookimpl
        def altcraft_task_completed(self) -> None:
            seen.append("done")

    run([DONE], Frugal())
    assert seen == [0.0, 0.0, "done"]


def test_an_argument_that_the_hook_does_not_have_is_refused() -> None:
    class Wrong:
        @hookimpl
        def altcraft_exchange_started(self, answer: object) -> None:
            """Asks for what no request has."""

    with pytest.raises((ValueError, pluggy.PluginValidationError), match="answer"):
        Hooks([Wrong()])


def test_functions_without_the_mark_are_not_hooks() -> None:
    class Unmarked:
        def altcraft_exchange_started(self, exchange: ObservedExchange) -> None:
            raise AssertionError

    assert Hooks([Unmarked()]).heard == frozenset()


# Coming and going.


def test_who_listens_is_remembered_and_forgotten() -> None:
    hooks, recorder = Hooks(), Recorder()
    only_codecs = plugin("altcraft_register_codecs", lambda registry: None)
    assert hooks.heard == frozenset()
    hooks.register(recorder)
    assert hooks.heard == set(OBSERVERS)
    hooks.register(only_codecs)
    assert hooks.heard == {*OBSERVERS, "altcraft_register_codecs"}
    hooks.unregister(recorder)
    assert hooks.heard == {"altcraft_register_codecs"}
    hooks.unregister(only_codecs)
    assert hooks.heard == frozenset()


def test_a_plugin_that_went_is_not_called_and_the_others_are() -> None:
    gone, here = Recorder(), Recorder()
    hooks = Hooks([gone, here])
    hooks.fire("altcraft_exchange_started", exchange=None)
    hooks.unregister(gone)
    hooks.fire("altcraft_exchange_started", exchange=None)
    hooks.register(gone)
    hooks.fire("altcraft_exchange_started", exchange=None)
    assert (len(gone.calls), len(here.calls)) == (2, 3)


def test_taking_out_what_is_not_there_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="not registered"):
        Hooks().unregister(Recorder())


def test_a_plugin_cannot_come_twice() -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="already registered"):
        Hooks([recorder, recorder])


def test_a_plugin_that_comes_while_a_client_lives_is_heard_from_then_on() -> None:
    recorder = Recorder()
    with client([STARTED, RUNNING, DONE]) as made:
        task = made.segments.refresh_counters(7, resource_id=24)
        task.poll()
        made.hooks.register(recorder)
        task.result()
    assert recorder.names == ["wait_started", *EXCHANGED, "task_progress", "task_completed", "wait_ended"]


# What nobody listens to.


def calls_into_pluggy(work: Callable[[], object]) -> int:
    count = 0

    def profile(frame: types.FrameType, event: str, _argument: object) -> None:
        nonlocal count
        if event == "call" and frame.f_globals.get("__name__", "").partition(".")[0] == "pluggy":
            count += 1

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_what_nobody_listens_to_makes_no_call_into_pluggy() -> None:
    for plugins in ([], [plugin("altcraft_register_codecs", lambda registry: None)]):
        with client([STARTED, RUNNING, DONE], *plugins) as made:

            def work(made: Any = made) -> None:
                made.segments.refresh_counters(7, resource_id=24).result()

            assert calls_into_pluggy(work) == 0


def test_a_listener_costs_a_call_and_only_for_its_own_hook() -> None:
    seen: list[object] = []
    with client([STARTED, RUNNING, DONE], plugin("altcraft_task_completed", lambda *a: seen.append(a))) as made:
        task = made.segments.refresh_counters(7, resource_id=24)
        assert calls_into_pluggy(task.poll) == 0
        assert calls_into_pluggy(task.result) > 0
    assert len(seen) == 1


# Entry points.

GOOD = """
import altcraft
called = []
@altcraft.hookimpl
def altcraft_exchange_started(exchange):
    called.append(exchange)
"""
UNSPECIFIED = """
import altcraft
@altcraft.hookimpl
def altcraft_exchange_started(nonsense):
    pass
"""


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Installs a distribution with such modules and entry points, for this test alone."""
    made: list[str] = []

    def install(modules: dict[str, str], entry_points: dict[str, str], group: str = "altcraft") -> None:
        made.extend(modules)
        for name, source in modules.items():
            (tmp_path / f"{name}.py").write_text(source)
        folder = tmp_path / "altcraft_test_plugins-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: altcraft-test-plugins\nVersion: 1.0\n")
        lines = [f"[{group}]", *(f"{name} = {value}" for name, value in entry_points.items())]
        (folder / "entry_points.txt").write_text("\n".join(lines))

    sys.path.insert(0, str(tmp_path))
    yield install
    sys.path.remove(str(tmp_path))
    for name in made:
        sys.modules.pop(name, None)


def test_entry_points_are_loaded_on_request_only(installed: Callable[..., None]) -> None:
    installed({"good_plugin": GOOD}, {"good": "good_plugin"})
    with client([reply([])]) as made:
        made.databases.get_counters(5, resource_id=24)
        assert "good_plugin" not in sys.modules
    with client([reply([])], load_entry_points=True) as made:
        made.databases.get_counters(5, resource_id=24)
        assert len(sys.modules["good_plugin"].called) == 1
        assert made.hooks.broken == {}


@pytest.mark.parametrize(
    ("source", "value", "reason"),
    [
        ("import no_such_module_at_all", "bad_plugin", ModuleNotFoundError),
        ("1 / 0", "bad_plugin", ZeroDivisionError),
        ("def broken(:", "bad_plugin", SyntaxError),
        ("", "bad_plugin:no_such_object", AttributeError),
        ("", "no_such_module_at_all", ModuleNotFoundError),
        (UNSPECIFIED, "bad_plugin", (ValueError, pluggy.PluginValidationError)),
    ],
)
def test_an_entry_point_that_cannot_be_loaded_is_reported_and_passed_over(
    installed: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    source: str,
    value: str,
    reason: type[Exception] | tuple[type[Exception], ...],
) -> None:
    installed({"bad_plugin": source, "good_plugin": GOOD}, {"a_bad": value, "good": "good_plugin", "z_bad": value})
    with client([reply([])], load_entry_points=True) as made:
        made.databases.get_counters(5, resource_id=24)
        assert len(sys.modules["good_plugin"].called) == 1
        assert set(made.hooks.broken) == {"a_bad", "z_bad"}
        assert all(isinstance(error, reason) for error in made.hooks.broken.values())
    messages = [record.getMessage() for record in caplog.records if record.name == "altcraft.hooks"]
    assert len(messages) == 2
    assert "'a_bad'" in messages[0]
    assert value in messages[0]
    assert "'z_bad'" in messages[1]


def test_one_entry_point_alone_can_be_asked_for(installed: Callable[..., None]) -> None:
    installed({"good_plugin": GOOD, "bad_plugin": "1 / 0"}, {"good": "good_plugin", "bad": "bad_plugin"})
    hooks = Hooks()
    assert hooks.load_entry_points("good")
    assert hooks.heard == {"altcraft_exchange_started"}
    assert hooks.broken == {}
    assert not hooks.load_entry_points("good")  # it is here already
    assert not hooks.load_entry_points("no such")


def test_entry_points_of_other_groups_are_left_alone(installed: Callable[..., None]) -> None:
    installed({"bad_plugin": "1 / 0"}, {"bad": "bad_plugin"}, group="somebody.else")
    hooks = Hooks()
    hooks.load_entry_points()
    assert "bad" not in hooks.broken


def test_the_scheme_of_a_url_loads_the_entry_point_of_its_name(installed: Callable[..., None]) -> None:
    source = """
import altcraft
from altcraft.testing import FakeTransport, reply
@altcraft.hookimpl
def altcraft_register_transports(registry):
    registry.register("scripted", lambda url: FakeTransport([reply([])]))
"""
    installed({"scripted_plugin": source, "bad_plugin": "1 / 0"}, {"scripted": "scripted_plugin", "bad": "bad_plugin"})
    with Client("scripted:") as made:
        assert made.databases.get_counters(5, resource_id=24) == []
        assert made.hooks.broken == {}


def test_a_url_that_no_plugin_serves_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no plugin serves 'nobody:' URLs"):
        Client("nobody:")
