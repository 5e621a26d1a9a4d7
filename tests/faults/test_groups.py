"""Many tasks on a platform that misbehaves: the client follows each to its end, and submits none twice."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from altcraft import ConnectError, ConnectionLost, Retry, SubmissionsFailed
from altcraft.schema import SegmentsRefreshCounters
from faults.conftest import IMPATIENT, Side
from faults.platform import AFTER, TRIAL, Asked, Mishap, Platform, Refusal


def test_a_group_comes_through_every_fault(side: Side) -> None:
    with Platform(*AFTER.values(), *TRIAL.values()) as platform, side.client(platform.url) as client:
        tasks = [client.tasks.resume(f"task-{number}") for number in range(30)]
        done = side.do(client.tasks.as_completed(tasks, timeout=20, max_in_flight=6))
        assert sorted(task.id for task in done) == sorted(task.id for task in tasks)
        assert all(task.done() for task in done)
        assert set(platform.polls.values()) == {3}, "a task that was done was polled again"


def test_a_task_whose_polls_keep_failing_delays_no_other(side: Side) -> None:
    with Platform() as platform, side.client(platform.url, retry=IMPATIENT) as client:
        platform.mishap_of = lambda asked: AFTER["reset"] if asked.task_id == "task-3" else None
        tasks = [client.tasks.resume(f"task-{number}") for number in range(8)]
        done = side.do(client.tasks.as_completed(tasks, timeout=20, max_in_flight=3))
        assert {task.id for task in done if not task.done()} == {"task-3"}
        with pytest.raises(ConnectionLost):
            side.do(tasks[3].result(timeout=20))


@pytest.mark.slow
def test_a_group_outlives_a_restart_of_the_platform(side: Side) -> None:
    polls: Counter[str] = Counter()
    first = Platform(running=3, known=polls)
    second: list[Platform] = []

    def restart() -> None:
        assert first.server.received.wait(10)
        time.sleep(0.05)  # while polls are under way
        first.__exit__()
        time.sleep(0.2)
        second.append(Platform(running=3, known=polls, port=first.server.port).__enter__())

    restarting = threading.Thread(target=restart)
    polling_on = Retry(attempts=50, base=0.02, maximum=0.1)
    with first, side.client(first.url, retry=polling_on) as client:
        restarting.start()
        tasks = [client.tasks.resume(f"task-{number}") for number in range(40)]
        try:
            waited = side.do(client.tasks.wait(tasks, 20, max_in_flight=4, max_polls_per_second=200))
        finally:
            restarting.join()
            second[0].__exit__()
    assert not waited.not_done
    assert first.arrivals, "the restart came too early"
    assert second[0].arrivals, "the restart came too late"


@pytest.mark.slow
def test_a_refusal_holds_back_the_whole_group(side: Side) -> None:
    with Platform() as platform, side.client(platform.url) as client:
        too_many = Refusal("429 Too Many Requests", "1")

        def refuse_the_tenth(_: Asked) -> Refusal | None:
            if len(platform.arrivals) == 10:
                return too_many
            if len(platform.arrivals) > 10 and platform.arrivals[-1] - platform.arrivals[9] < 0.5:
                time.sleep(0.05)  # for the client to read the refusal, on a busy machine too
            return None

        platform.mishap_of = refuse_the_tenth
        tasks = [client.tasks.resume(f"task-{number}") for number in range(20)]
        done = side.do(client.tasks.as_completed(tasks, timeout=20, max_in_flight=4))
        assert all(task.done() for task in done)
        refused_at = platform.arrivals[9]
        early = [at for at in platform.arrivals[10:] if at - refused_at < 0.9]
        # The polls under way, and those that the other workers began before one of them had read the refusal.
        assert len(early) <= 8, "the group did not hold back"
        after = [at for at in platform.arrivals if at - refused_at >= 0.9]
        assert sum(at - after[0] < 0.1 for at in after) <= 6, "the group polled all its tasks at once after the delay"


def test_each_of_many_submissions_is_made_once(side: Side) -> None:
    lost: dict[int | None, Mishap] = {2: AFTER["reset"], 5: AFTER["closed"], 9: AFTER["garbage"]}
    with Platform() as platform, side.client(platform.url) as client:
        platform.mishap_of = lambda asked: lost.get(asked.id)
        requests = [SegmentsRefreshCounters(number, resource_id=24) for number in range(12)]
        with pytest.raises(SubmissionsFailed) as caught:
            side.do(client.submit_many(requests, max_in_flight=4))
        assert sorted(platform.submissions) == list(range(12))
        assert set(caught.value.errors) == set(lost)
        resumed = {client.tasks.resume(token).id for token in caught.value.tasks.values()}
        assert resumed == {f"task-{n}" for n in range(12) if n not in lost}
        assert all(isinstance(error, ConnectionLost) for error in caught.value.errors.values())


def test_an_iteration_that_is_left_early_leaves_no_connection(side: Side) -> None:
    with Platform(*[AFTER["no reply"]] * 2, *TRIAL.values()) as platform, side.client(platform.url) as client:
        tasks = [client.tasks.resume(f"task-{number}") for number in range(10)]
        if side.is_async:
            side.do(_first(client.tasks.as_completed(tasks, max_in_flight=5)))
        else:
            finished = client.tasks.as_completed(tasks, max_in_flight=5)
            next(finished)
            finished.close()
        side.do(client.close())
        patience = time.monotonic() + 5
        while (
            platform.server.still_open() > 2 and time.monotonic() < patience
        ):  # two of the server's scripts still sleep
            time.sleep(0.01)
        assert platform.server.still_open() <= 2


@pytest.mark.slow
def test_a_platform_that_is_gone_ends_each_wait_of_a_group_with_its_error(side: Side) -> None:
    with Platform() as platform:
        pass
    with side.client(platform.url, retry=IMPATIENT) as client:
        tasks = [client.tasks.resume(f"task-{number}") for number in range(6)]
        done = side.do(client.tasks.as_completed(tasks, timeout=20))
        assert len(done) == 6
        assert not any(task.done() for task in done)
        with pytest.raises(ConnectError):
            side.do(done[0].result(timeout=20))


async def _first(iteration: object) -> object:
    try:
        return await anext(iteration)  # type: ignore[call-overload]  # an asynchronous generator
    finally:
        await iteration.aclose()  # type: ignore[attr-defined]  # as above
