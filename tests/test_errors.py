"""Errors: one tree, one sentence each, with the place where it happened; and all of it in another process."""

from __future__ import annotations

import concurrent.futures
import copy
import inspect
import multiprocessing
import pickle
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

import altcraft
from altcraft import (
    AltcraftError,
    AltcraftWarning,
    ApiError,
    BadRequest,
    BadResumeToken,
    Client,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    DecodeError,
    EncodeError,
    Forbidden,
    LimitReached,
    MissingExtra,
    NotFound,
    OutOfThreads,
    RateLimited,
    RequestTimeout,
    ResponseTooLarge,
    SubmissionsFailed,
    TaskFailed,
    TaskStalled,
    TaskStatus,
    TransportError,
    Unauthorized,
    UnsafeXml,
    UsedAfterFork,
    WaitTimeout,
    errors,
)
from altcraft.errors import api_error
from altcraft.schema import DatabasesRefreshCounters
from altcraft.testing import FakeTransport, reply

SAMPLES: list[AltcraftError] = [
    AltcraftError("root"), ApiError(440, "odd", 200), BadRequest(400, "no id", 400), Unauthorized(401, "", 200),
    LimitReached(402, "limit", 200), Forbidden(403, "no", 403), NotFound(404, "no such", 200),
    RateLimited(429, "slow down", 429, 2.5), TransportError("t"), ConnectError("c"), RequestTimeout("r"),
    ConnectionLost("l"), ResponseTooLarge("10 MB"), DecodeError("d"), UnsafeXml("u"), EncodeError("e"),
    MissingExtra("pip install"), BadResumeToken("broken"), UsedAfterFork("forked"), OutOfThreads("no thread"),
    ClientClosed(), ClientClosed("closed", "{}"), TaskFailed(TaskStatus("failed", 50)), WaitTimeout("late", "{}"),
    TaskFailed(TaskStatus("failed", None, {"reason": "locked"})),
    WaitTimeout("late", "{}", TaskStatus("running", 5)), TaskStalled("stalled", "{}", TaskStatus("running")),
    SubmissionsFailed({0: "t0", 2: "t2"}, {1: NotFound(404, "no such")}),
]  # fmt: skip
each_sample = pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)


def test_every_error_and_every_warning_of_the_library_stands_in_one_tree_and_is_exported() -> None:
    classes = {
        name: kind
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, BaseException) and kind.__module__ == errors.__name__
    }
    assert all(issubclass(kind, (AltcraftError, AltcraftWarning)) for kind in classes.values())
    assert set(classes) <= set(errors.__all__)
    assert set(classes) <= set(altcraft.__all__)
    assert all(inspect.getdoc(kind) for kind in classes.values())


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (BadRequest, [ApiError]),
        (Unauthorized, [ApiError]),
        (LimitReached, [ApiError]),
        (Forbidden, [ApiError]),
        (NotFound, [ApiError]),
        (RateLimited, [ApiError]),
        (ConnectError, [TransportError]),
        (RequestTimeout, [TransportError]),
        (ConnectionLost, [TransportError]),
        (ResponseTooLarge, [TransportError]),
        (UnsafeXml, [DecodeError]),
        (EncodeError, [ValueError]),
        (BadResumeToken, [ValueError]),
        (MissingExtra, [ImportError]),
        (UsedAfterFork, [RuntimeError]),
        (OutOfThreads, [RuntimeError]),
        (WaitTimeout, [TimeoutError]),
        (TaskStalled, [WaitTimeout]),
    ],
)
def test_an_error_is_caught_by_its_family(kind: type, parents: list[type]) -> None:
    assert issubclass(kind, AltcraftError)
    assert all(issubclass(kind, parent) for parent in parents)


@pytest.mark.parametrize("kind", [TransportError, DecodeError, ApiError, TaskFailed])
def test_a_wait_that_timed_out_is_no_failure_of_an_exchange(kind: type) -> None:
    assert not issubclass(WaitTimeout, kind)
    assert not issubclass(TaskFailed, ApiError)


# Which refusal is which.


@pytest.mark.parametrize(
    ("code", "http_status", "kind"),
    [
        (400, 200, BadRequest),
        (401, 200, Unauthorized),
        (402, 200, LimitReached),
        (403, 200, Forbidden),
        (404, 200, NotFound),
        (429, 200, RateLimited),
        (401, 401, Unauthorized),
        (440, 401, Unauthorized),
        (440, 429, RateLimited),
        (401, 429, Unauthorized),
        (440, 200, ApiError),
        (500, 500, ApiError),
        (-1, 200, ApiError),
        (1, 404, NotFound),
        (10**20, 200, ApiError),
    ],
)
def test_the_class_of_a_refusal_follows_from_its_own_code_or_else_from_the_http_status(
    code: int, http_status: int, kind: type
) -> None:
    error = api_error(code, "text", http_status, 1.5)
    assert type(error) is kind
    assert (error.code, error.text, error.http_status, error.retry_after) == (code, "text", http_status, 1.5)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ApiError(440, "odd", 200), "error 440: odd"),
        (ApiError(440, "odd", 500), "error 440 (HTTP 500): odd"),
        (Unauthorized(401, "", 401), "error 401: no text given"),
        (Unauthorized(401, "who?", 403), "error 401 (HTTP 403): who?"),
        (RateLimited(429, "slow", 429, 2.5), "error 429: slow; retry after 2.5 s"),
        (RateLimited(429, "slow", 429, 0.0), "error 429: slow; retry after 0 s"),
    ],
)
def test_a_refusal_says_both_codes_where_they_differ_and_how_long_to_wait(error: ApiError, says: str) -> None:
    assert str(error) == says


# A task that failed.


def test_a_failed_task_says_its_status_and_its_progress() -> None:
    assert str(TaskFailed(TaskStatus("failed", 50))) == "the task ended with status 'failed' at 50 %"
    assert str(TaskFailed(TaskStatus("canceled"))) == "the task ended with status 'canceled'"
    assert "12.5 %" in str(TaskFailed(TaskStatus("error", 12.5)))


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("database is locked", ": database is locked"),
        ("two\n  lines\t", ": two lines"),
        ({"reason": "database is locked"}, ": {'reason': 'database is locked'}"),
        (["a", "b"], ": ['a', 'b']"),
        (17, ": 17"),
        (None, ""),
        ("", ""),
        ([], ""),
    ],
)
def test_a_failed_task_says_the_reason_that_the_platform_gives_as_its_result(reason: object, says: str) -> None:
    assert str(TaskFailed(TaskStatus("failed", None, reason))) == f"the task ended with status 'failed'{says}"


@pytest.mark.parametrize("reason", ["x" * 10_000_000, "x " * 500, ["x" * 10_000] * 10_000, {"x": ["y" * 400]}])
def test_a_failed_task_quotes_the_beginning_of_a_long_reason(reason: object) -> None:
    error = TaskFailed(TaskStatus("failed", None, reason))
    assert "x" in str(error)
    assert len(str(error)) < 300
    assert error.status.result is reason


# Where it happened.


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ((), "odd"),
        (("segments/get_counters",), "segments/get_counters: odd"),
        (("segments/get_counters", "host:8080"), "segments/get_counters at host:8080: odd"),
        (("tasks/status", "host", "930b"), "tasks/status at host, task 930b: odd"),
        ((None, "host"), "host: odd"),
        ((None, None, "930b"), "task 930b: odd"),
    ],
)
def test_an_error_says_the_operation_the_host_and_the_task_that_are_known(
    place: tuple[str | None, ...], says: str
) -> None:
    error = DecodeError("odd")
    error.locate(*place)
    assert str(error) == says


def test_an_error_keeps_the_place_that_an_inner_layer_gave_it() -> None:
    error = ConnectError("refused")
    error.locate("segments/get_counters")
    error.locate("tasks/status", "host")
    error.locate(None, "other", "930b")
    assert (error.operation, error.host, error.task_id) == ("segments/get_counters", "host", "930b")


@each_sample
def test_every_error_takes_a_place_and_says_it(error: AltcraftError) -> None:
    located = copy.copy(error)
    located.locate("segments/get_counters", "host", "930b")
    assert str(located) == f"segments/get_counters at host, task 930b: {error}"
    assert str(error)


def test_an_error_that_ends_a_wait_leads_back_to_the_task() -> None:
    error = WaitTimeout("late", '{"v":1}', TaskStatus("running", 5))
    assert (error.resume_token, error.status) == ('{"v":1}', TaskStatus("running", 5))
    assert ClientClosed("closed", '{"v":1}').resume_token == '{"v":1}'
    assert ClientClosed().resume_token is None
    assert NotFound(404).resume_token is None


# In another process.


def hold_everything(error: AltcraftError) -> AltcraftError:
    """Gives a copy of an error all that it can hold beside its own."""
    full = copy.copy(error)
    full.locate("a/b", "h", "t")
    full.attempts = ((datetime(2026, 1, 2, tzinfo=timezone.utc), "connection refused"),)
    full.resume_token = full.resume_token or "a-token"
    full.__cause__ = ConnectionLost("reset")
    full.__cause__.locate("tasks/status", "h", "t")
    if sys.version_info >= (3, 11):
        full.add_note("seen while recounting segment 7")
    return full


def everything_of(error: BaseException) -> dict[str, Any]:
    """What an error holds, by value: errors themselves are compared by identity."""

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items()}
        return everything_of(value) if isinstance(value, BaseException) else value

    held: dict[str, Any] = {name: plain(value) for name, value in vars(error).items()}
    return {**held, "kind": type(error), "args": error.args, "says": str(error)}


def pickled(protocol: int) -> Callable[[Any], Any]:
    return lambda value: pickle.loads(pickle.dumps(value, protocol))


BY_VALUE: dict[str, Callable[[Any], Any]] = {
    **{f"pickle {protocol}": pickled(protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)},
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@each_sample
@pytest.mark.parametrize("carried", BY_VALUE.values(), ids=BY_VALUE)
def test_a_copy_of_an_error_holds_all_that_the_error_holds(
    error: AltcraftError, carried: Callable[[Any], AltcraftError]
) -> None:
    full = hold_everything(error)
    arrived = carried(full)
    assert everything_of(arrived) == everything_of(full)
    assert everything_of(arrived.__cause__ or arrived) == everything_of(full.__cause__ or full)
    assert everything_of(carried(error)) == everything_of(error)
    assert carried(error).__cause__ is None


def test_an_error_of_a_users_own_kind_crosses_with_its_own_constructor_and_fields() -> None:
    arrived = pickle.loads(pickle.dumps(Veto(reason="no licence", until=17)))
    assert everything_of(arrived) == everything_of(Veto(reason="no licence", until=17))


class Veto(AltcraftError):
    """An error of a plugin, whose constructor takes other arguments than the root's."""

    def __init__(self, *, reason: str, until: int) -> None:
        super().__init__(f"refused: {reason}")
        self.until = until


def test_a_cause_of_another_library_stays_behind() -> None:
    error = ConnectionLost("reset")
    error.__cause__ = Unpicklable("a socket")
    assert pickle.loads(pickle.dumps(error)).__cause__ is None


class Unpicklable(Exception):
    """An error of another library that holds what can't be copied."""

    def __reduce__(self) -> str:
        raise TypeError("cannot pickle 'socket' object")


class Unrestorable(Exception):
    """An error of another library that can be pickled, and not be restored: its constructor takes two arguments."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")


def test_failed_submissions_describe_an_error_that_cannot_be_copied() -> None:
    given = {0: Unpicklable("one"), 1: Unrestorable("two", "full"), 2: ValueError("three"), 3: NotFound(404)}
    error = SubmissionsFailed({}, given)
    arrived = pickle.loads(pickle.dumps(error)).errors
    assert [type(arrived[place]) for place in range(4)] == [AltcraftError, AltcraftError, ValueError, NotFound]
    assert [str(arrived[place]) for place in range(3)] == ["Unpicklable: one", "Unrestorable: two: full", "three"]
    assert error.errors is given


def submit_many() -> None:
    """Starts three tasks, and is refused a fourth."""

    def answer(request: altcraft.HttpRequest) -> altcraft.HttpResponse:
        number = int(request.body.split(b'"id":')[1].split(b",")[0])
        return reply({"task_id": f"task-{number}"}) if number < 3 else reply(error=402, error_text="limit reached")

    client = Client("https://your.host", "a-token", transport=FakeTransport([answer], repeat=True))
    client.submit_many([DatabasesRefreshCounters(number, 24) for number in range(4)])


def wait_too_long() -> None:
    client = Client(
        "https://your.host", "a-token", transport=FakeTransport([reply({"status": "running"})], repeat=True)
    )
    client.tasks.resume("task-7").result(timeout=5)


def in_a_pool_of_futures(work: Callable[[], None]) -> None:
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pool.submit(work).result(timeout=60)


def in_a_pool_of_multiprocessing(work: Callable[[], None]) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply_async(work).get(timeout=60)


POOLS = [in_a_pool_of_futures, in_a_pool_of_multiprocessing]


@pytest.mark.slow
@pytest.mark.leaves_threads
@pytest.mark.parametrize("carried", POOLS)
def test_the_parent_of_a_worker_process_gets_the_errors_and_the_resume_tokens(
    carried: Callable[[Callable[[], None]], None],
) -> None:
    with pytest.raises(SubmissionsFailed, match="1 of 4 submissions failed; request 3") as failed:
        carried(submit_many)
    assert isinstance(failed.value.errors[3], LimitReached)
    client = Client("https://your.host", "a-token", transport=FakeTransport([]))
    assert [client.tasks.resume(token).id for token in failed.value.tasks.values()] == ["task-0", "task-1", "task-2"]
    with pytest.raises(WaitTimeout, match=r"your\.host, task task-7") as late:
        carried(wait_too_long)
    assert client.tasks.resume(late.value.resume_token).id == "task-7"
    assert late.value.status == TaskStatus("running")
