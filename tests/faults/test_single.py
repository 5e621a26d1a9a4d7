"""One call or task on a platform that misbehaves: what the client repeats, what it never repeats, what it raises."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from altcraft import (
    AltcraftError,
    ApiError,
    ConnectError,
    ConnectionLost,
    DecodeError,
    RateLimited,
    RequestTimeout,
    Retry,
    TransportError,
)
from altcraft.testing.transport.loopback import Talk
from faults.conftest import IMPATIENT, Side
from faults.platform import AFTER, RESULT, Platform, Refusal

# The client repeats what it may repeat.


@pytest.mark.parametrize("what", AFTER)
def test_a_task_is_followed_through_a_failed_exchange(side: Side, what: str) -> None:
    with Platform(AFTER[what]) as platform, side.client(platform.url) as client:
        assert side.do(client.tasks.resume("task-1").result(timeout=20)) == RESULT
        assert platform.polls["task-1"] == 3
        assert len(platform.arrivals) == 4, "the exchange that failed was repeated once"


@pytest.mark.parametrize("refused", ["429 Too Many Requests", "502 Bad Gateway", "503 Service Unavailable"])
def test_a_task_is_followed_through_refusals(side: Side, refused: str) -> None:
    with Platform(Refusal(refused, "0"), Refusal(refused, "0")) as platform, side.client(platform.url) as client:
        assert side.do(client.tasks.resume("task-1").result(timeout=20)) == RESULT
        assert len(platform.arrivals) == 5


def test_a_call_that_only_reads_is_repeated_too(side: Side) -> None:
    with Platform(AFTER["reset"], Refusal("503 Busy", "0")) as platform, side.client(platform.url) as client:
        assert side.do(client.segments.get_counters(7, resource_id=24)) == []
        assert len(platform.arrivals) == 3


def test_a_call_is_sent_as_often_as_allowed_and_no_more(side: Side) -> None:
    with Platform(*[AFTER["closed"]] * 9) as platform, side.client(platform.url, retry=IMPATIENT) as client:
        with pytest.raises(ConnectionLost):
            side.do(client.segments.get_counters(7, resource_id=24))
        assert len(platform.arrivals) == IMPATIENT.attempts


def test_a_wait_whose_polls_keep_failing_ends_with_the_last_error(side: Side) -> None:
    retry = Retry(attempts=1, base=0.01, patience=0.5)
    with Platform() as platform, side.client(platform.url, retry=retry, request_timeout=20) as client:
        platform.mishap_of = lambda _: AFTER["closed"]
        with pytest.raises(ConnectionLost) as caught:
            side.do(client.tasks.resume("task-1").result(timeout=20))
        assert len(platform.arrivals) > retry.attempts
        assert caught.value.task_id == "task-1"


def test_a_single_poll_is_a_single_exchange(side: Side) -> None:
    with Platform(AFTER["reset"]) as platform, side.client(platform.url) as client:
        task = client.tasks.resume("task-1")
        with pytest.raises(ConnectionLost):
            side.do(task.poll())
        assert len(platform.arrivals) == 1
        assert side.do(task.poll()).status == "running"


@pytest.mark.slow
def test_the_delay_that_a_refusal_asks_for_is_kept(side: Side) -> None:
    with Platform(Refusal("429 Too Many Requests", "1"), running=0) as platform, side.client(platform.url) as client:
        side.do(client.tasks.resume("task-1").result(timeout=20))
        first, second = platform.arrivals
        assert second - first >= 1.0


# The client does not send again what the platform may have processed.


@pytest.mark.parametrize("what", AFTER)
def test_a_submission_whose_answer_is_lost_is_not_repeated(side: Side, what: str) -> None:
    with Platform(AFTER[what]) as platform, side.client(platform.url) as client:
        with pytest.raises((ConnectionLost, RequestTimeout, DecodeError)) as caught:
            side.do(client.segments.refresh_counters(7, resource_id=24))
        time.sleep(0.05)
        assert platform.submissions == [7]
        assert "a-token" not in str(caught.value)


@pytest.mark.parametrize("refused", ["429 Too Many Requests", "503 Service Unavailable"])
def test_a_submission_that_is_refused_is_the_callers_to_repeat(side: Side, refused: str) -> None:
    with Platform(Refusal(refused, "7")) as platform, side.client(platform.url) as client:
        with pytest.raises(ApiError) as caught:
            side.do(client.segments.refresh_counters(7, resource_id=24))
        assert platform.submissions == [7]
        assert isinstance(caught.value, RateLimited) == refused.startswith("429")
        assert caught.value.retry_after == 7.0


def test_a_submission_during_which_the_connection_is_reset_is_not_repeated(side: Side) -> None:
    def half_way(talk: Talk) -> None:
        talk.take(60)  # the request line, and no more
        talk.reset()

    with Platform(before=(half_way,)) as platform, side.client(platform.url) as client:
        with pytest.raises(ConnectionLost):
            side.do(client.segments.refresh_counters(7, resource_id=24))
        time.sleep(0.05)
        assert platform.submissions == []


@pytest.mark.parametrize("end", [Talk.reset, lambda _: None], ids=["reset", "closed"])
def test_a_connection_that_ends_ahead_of_a_submission_submits_once_or_not_at_all(
    side: Side, end: Callable[[Talk], None]
) -> None:
    with Platform(before=(end,)) as platform, side.client(platform.url) as client:
        try:
            side.do(client.segments.refresh_counters(7, resource_id=24))
        except ConnectionLost:
            assert platform.submissions == []  # some of it was sent, and the platform has not read it
        else:
            assert platform.submissions == [7]  # nothing was sent, so it was sent again


# The client repeats anything of which nothing was sent.


def test_a_submission_waits_for_a_platform_that_is_about_to_start(side: Side) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    started: list[Platform] = []

    def start() -> None:
        time.sleep(0.15)
        started.append(Platform(port=port).__enter__())

    starting = threading.Thread(target=start)
    with side.client(f"http://127.0.0.1:{port}", retry=Retry(attempts=20, base=0.05, maximum=0.1)) as client:
        starting.start()
        try:
            side.do(client.segments.refresh_counters(7, resource_id=24))
        finally:
            starting.join()
            started[0].__exit__()
        assert started[0].submissions == [7]


def test_a_port_without_a_server_is_a_connect_error_after_all_attempts(side: Side) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with side.client(f"http://127.0.0.1:{port}", retry=IMPATIENT) as client:
        for call in (lambda: client.segments.refresh_counters(7, resource_id=24), client.tasks.resume("task-1").result):
            with pytest.raises(ConnectError):
                side.do(call())


def test_a_kept_connection_that_was_half_closed_is_replaced(side: Side) -> None:
    with Platform() as platform, side.client(platform.url) as client:
        platform.half_closes = True
        for number in range(3):
            side.do(client.segments.refresh_counters(number, resource_id=24))
            time.sleep(0.08)  # for the end to arrive
        assert platform.submissions == [0, 1, 2]
        assert platform.server.connections == 3


def test_after_every_fault_the_client_is_as_good_as_new(side: Side) -> None:
    with Platform(*AFTER.values()) as platform, side.client(platform.url) as client:
        for _ in AFTER:
            with pytest.raises((TransportError, DecodeError)):
                side.do(client.tasks.resume("task-1").poll())
        assert side.do(client.tasks.resume("task-1").result(timeout=20)) == RESULT


def test_errors_name_the_operation_the_host_and_the_task(side: Side) -> None:
    with Platform(AFTER["garbage"]) as platform, side.client(platform.url) as client:
        with pytest.raises(AltcraftError) as caught:
            side.do(client.tasks.resume("task-1").poll())
        for part in ("tasks/status", f"127.0.0.1:{platform.server.port}", "task-1"):
            assert part in str(caught.value)
        assert "SMTP" not in str(caught.value)
