"""An error holds an excerpt of a body, never the body: not in its frames, nor in its cause or context."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeAlias

import pytest

from altcraft import (
    AltcraftError,
    ApiError,
    ConnectionLost,
    DecodeError,
    EncodeError,
    HttpResponse,
    PlainRequest,
    Retry,
)
from altcraft.operations import default_operations, unknown_task
from altcraft.schema import DatabasesGetCounters, SegmentsRefreshCounters
from altcraft.testing import reply
from both_clients import World
from exchange import DONE, JSON, PATH, TOKEN, XML, answer, exchange, read

SEGMENTS = default_operations().by_request(SegmentsRefreshCounters)
COUNTERS = default_operations().by_request(DatabasesGetCounters)

Unreadable: TypeAlias = Callable[[int], HttpResponse]
"""Makes a response of so many bytes. The tests hold no body themselves."""

UNREADABLE: dict[str, Unreadable] = {
    "no JSON": lambda size: answer(b'{"data":' + b"x" * size, JSON),
    "JSON of another shape": lambda size: answer(b'{"error":0,"data":"' + b"x" * size + b'"}', JSON),
    "no UTF-8": lambda size: answer(b'{"data":"\xff' + b"x" * size + b'"}', JSON),
    "no XML": lambda size: answer(b"<xml><data>" + b"x" * size, XML),
    "XML of another shape": lambda size: answer(b"<xml><error>x" + b"x" * size + b"</error></xml>", XML),
    "a document type": lambda size: answer(b"<!DOCTYPE x><xml>" + b"x" * size + b"</xml>", XML),
    "no codec": lambda size: answer(b"?" + b"x" * size, {}),
    "a page": lambda size: answer(b"<html>" + b"x" * size + b"</html>", {}),
    "a page at 502": lambda size: answer(b"<html>" + b"x" * size + b"</html>", {}, 502),
    "a refusal": lambda size: answer(b'{"error":400,"error_text":"' + b"x" * size + b'"}', JSON),
    "a refusal in a list": lambda size: answer(b'{"error":400,"error_text":["' + b"x" * size + b'"]}', JSON),
    "a redirect": lambda size: answer(b"x" * size, {"Location": "/x"}, 302),
    "a long redirect": lambda size: answer(b"", {"Location": "/" + "x" * size}, 302),
    "a long type": lambda size: answer(b"?", {"Content-Type": "a/" + "x" * size}),
    "no envelope": lambda size: answer(b'{"hello":"' + b"x" * size + b'"}', JSON),
}


SIZE = 1 << 20


def kept_by(fail: Callable[[int], Exception], times: int = 3) -> int:
    """Bytes that errors keep, each of a body of `SIZE` bytes."""
    fail(10)  # what is compiled once is no error's
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        errors = [fail(SIZE + number) for number in range(times)]
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(errors) == times
    return kept


def caught(call: Callable[[], object]) -> Exception:
    with pytest.raises((ApiError, DecodeError)) as error:
        call()
    return error.value


TYPICAL = ("JSON of another shape", "no XML", "a page at 502")
every_kind = pytest.mark.parametrize(
    "unreadable",
    [
        pytest.param(make, id=name, marks=() if name in TYPICAL else pytest.mark.slow)
        for name, make in UNREADABLE.items()
    ],
)


@every_kind
def test_an_error_keeps_no_body(unreadable: Unreadable) -> None:
    reader = exchange()
    assert kept_by(lambda size: caught(lambda: reader.task_id(SEGMENTS, unreadable(size)))) < SIZE


@every_kind
def test_an_error_of_a_poll_or_a_call_keeps_no_body(unreadable: Unreadable) -> None:
    reader = exchange()

    def fail(size: int) -> Exception:
        caught(lambda: reader.status(unknown_task(), unreadable(size), DONE))
        caught(lambda: reader.result(COUNTERS, unreadable(size)))
        caught(lambda: read(unreadable(size)))
        return caught(lambda: reader.status(SEGMENTS, unreadable(size), DONE))

    assert kept_by(fail) < SIZE


@every_kind
def test_an_error_that_a_client_raises_keeps_no_body(world: World, unreadable: Unreadable) -> None:
    def fail(size: int) -> Exception:
        client = world.client([lambda request: unreadable(size)], token=TOKEN, retry=Retry(attempts=1))
        return caught(lambda: world.do(client.databases.get_counters(5, resource_id=24)))

    assert kept_by(fail) < SIZE


def test_an_error_that_ends_a_wait_keeps_no_body(world: World) -> None:
    def fail(size: int) -> Exception:
        polls = [lambda request: UNREADABLE["JSON of another shape"](size)] * 4  # the fourth in a row ends the wait
        script = [reply({"task_id": "t-1"}), *polls]
        task = world.do(world.client(script).databases.refresh_counters(5, resource_id=24))
        return caught(lambda: world.do(task.result(timeout=60)))

    assert kept_by(fail) < SIZE


def test_a_token_in_the_error_of_a_transport_is_masked(world: World) -> None:
    """A server may echo the token in a header that the transport quotes, such as Content-Encoding."""
    lost = ConnectionLost(f"the reply has an unknown coding: {TOKEN.upper()}")
    lost.__cause__ = ValueError(f"unknown coding {TOKEN}")
    client = world.client([lost], token=TOKEN, retry=Retry(attempts=1))
    with pytest.raises(ConnectionLost) as error:
        world.do(client.databases.get_counters(5, resource_id=24))
    assert str(error.value).endswith("the reply has an unknown coding: ***")
    assert repr(error.value.__cause__) == "ValueError('unknown coding ***')"


def test_an_oserror_of_a_transport_is_masked(world: World) -> None:
    client = world.client([OSError(5, f"no such coding: {TOKEN}")], token=TOKEN, retry=Retry(attempts=1))
    with pytest.raises(ConnectionLost) as error:
        world.do(client.databases.get_counters(5, resource_id=24))
    assert TOKEN not in f"{error.value} {error.value!r} {error.value.__cause__} {error.value.__cause__!r}"


# How an error is settled, with any origin.


def frames(traceback: TracebackType | None) -> list[str]:
    names = []
    while traceback is not None:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    return names


def settled(raise_: Callable[[], object]) -> AltcraftError:
    try:
        raise_()
    except AltcraftError as error:
        exchange().settle(error, PATH, "t-1")
        return error
    raise AssertionError


def lose_the_connection() -> None:
    try:
        raise OSError(5, f"bad header: {TOKEN}")
    except OSError as error:
        lost = ConnectionLost(f"an unknown coding: {TOKEN.upper()}")
        lost.note = f"sent {TOKEN}"  # type: ignore[attr-defined]
        raise lost from error


def test_a_settled_error_has_its_place_and_no_frames() -> None:
    error = settled(lose_the_connection)
    assert (error.operation, error.host, error.task_id) == (PATH, "your.host", "t-1")
    assert frames(error.__traceback__) == []
    assert isinstance(error.__cause__, OSError)
    assert frames(error.__cause__.__traceback__) == []


def test_a_settled_error_and_its_causes_show_no_token() -> None:
    error: BaseException | None = settled(lose_the_connection)
    while error is not None:
        shown = f"{error} {error!r} {error.args} {vars(error)}"
        assert TOKEN not in shown.lower()
        assert "***" in shown
        error = error.__cause__


def test_a_settled_error_has_no_context() -> None:
    def refuse() -> None:
        try:
            bytes([1, 2, 255]).decode()
        except UnicodeDecodeError:
            raise DecodeError("no text") from None

    error = settled(refuse)
    assert (error.__context__, error.__cause__, error.__suppress_context__) == (None, None, True)


def test_an_error_that_is_its_own_cause_can_be_settled() -> None:
    error = DecodeError("round and round")
    error.__cause__ = error
    exchange().settle(error, PATH)
    assert error.operation == PATH
    error.__cause__ = None


class Impossible(PlainRequest[object], frozen=True):
    """A request with a text that XML can't carry."""

    text: str


def test_a_request_that_can_not_be_written_leaves_no_token_in_any_frame() -> None:
    with pytest.raises(EncodeError) as error:
        exchange("xml").build("x", Impossible("\0"))
    assert error.value.operation == "x"
    assert frames(error.value.__traceback__)[1:] == ["build"]
    assert TOKEN not in repr(last_locals(error.value.__traceback__))


def last_locals(traceback: TracebackType | None) -> dict[str, Any]:
    assert traceback is not None
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_locals
