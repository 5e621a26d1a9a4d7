"""Errors: one tree, one sentence each, with the place where it happened."""

from __future__ import annotations

import inspect
import pickle

import pytest

import altcraft
from altcraft import (
    AltcraftError,
    ApiError,
    BadRequest,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    DecodeError,
    EncodeError,
    Forbidden,
    LimitReached,
    MissingExtra,
    NotFound,
    RateLimited,
    RequestTimeout,
    ResponseTooLarge,
    TaskFailed,
    TaskStalled,
    TaskStatus,
    TransportError,
    Unauthorized,
    UnsafeXml,
    WaitTimeout,
    errors,
)
from altcraft.errors import api_error

SAMPLES: list[AltcraftError] = [
    AltcraftError("root"), ApiError(440, "odd", 200), BadRequest(400, "no id", 400), Unauthorized(401, "", 200),
    LimitReached(402, "limit", 200), Forbidden(403, "no", 403), NotFound(404, "no such", 200),
    RateLimited(429, "slow down", 429, 2.5), TransportError("t"), ConnectError("c"), RequestTimeout("r"),
    ConnectionLost("l"), ResponseTooLarge("10 MB"), DecodeError("d"), UnsafeXml("u"), EncodeError("e"),
    MissingExtra("pip install"),
    ClientClosed(), ClientClosed("closed", "{}"), TaskFailed(TaskStatus("failed", 50)), WaitTimeout("late", "{}"),
    WaitTimeout("late", "{}", TaskStatus("running", 5)), TaskStalled("stalled", "{}", TaskStatus("running")),
]  # fmt: skip
each_sample = pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)


def test_every_error_of_the_library_stands_in_one_tree_and_is_exported() -> None:
    classes = {
        name: kind
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, BaseException) and kind.__module__ == errors.__name__
    }
    assert all(issubclass(kind, AltcraftError) for kind in classes.values())
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
        (MissingExtra, [ImportError]),
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
def test_a_refusal_is_known_by_its_own_code_and_else_by_the_http_status(
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


def test_a_failed_task_says_its_status_and_how_far_it_was() -> None:
    assert str(TaskFailed(TaskStatus("failed", 50))) == "the task ended with status 'failed' at 50 %"
    assert str(TaskFailed(TaskStatus("canceled"))) == "the task ended with status 'canceled'"
    assert "12.5 %" in str(TaskFailed(TaskStatus("error", 12.5)))


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
def test_an_error_says_the_operation_the_host_and_the_task_as_far_as_known(
    place: tuple[str | None, ...], says: str
) -> None:
    error = DecodeError("odd")
    error.locate(*place)
    assert str(error) == says


def test_what_an_inner_layer_knew_of_the_place_is_kept() -> None:
    error = ConnectError("refused")
    error.locate("segments/get_counters")
    error.locate("tasks/status", "host")
    error.locate(None, "other", "930b")
    assert (error.operation, error.host, error.task_id) == ("segments/get_counters", "host", "930b")


@each_sample
def test_every_error_takes_a_place_and_tells_it(error: AltcraftError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    message = str(copy)
    copy.locate("segments/get_counters", "host", "930b")
    assert str(copy) == f"segments/get_counters at host, task 930b: {message}"
    assert message


@each_sample
def test_an_error_crosses_to_another_process_whole(error: AltcraftError) -> None:
    error.locate("a/b", "h", "t")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_an_error_of_waiting_leads_back_to_the_task() -> None:
    error = WaitTimeout("late", '{"v":1}', TaskStatus("running", 5))
    assert (error.resume_token, error.status) == ('{"v":1}', TaskStatus("running", 5))
    assert ClientClosed("closed", '{"v":1}').resume_token == '{"v":1}'
    assert ClientClosed().resume_token is None
