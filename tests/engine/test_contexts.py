"""Hooks run in the context of the call that caused them, in workers' threads too. Each wait of a group has its end."""

from __future__ import annotations

import contextvars
from typing import Any

import pytest

from altcraft import Client, ConnectError, NotFound, Polling, Retry, WaitTimeout, hookimpl
from altcraft.schema import SegmentsRefreshCounters
from altcraft.testing import reply
from both_clients import World

TRACE: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="no trace")
RUNNING = reply({"status": "running"})
DONE = reply({"status": "completed", "result": []})


class Traces:
    """Notes in which trace each hook is called."""

    def __init__(self) -> None:
        self.seen: dict[str, set[str]] = {}

    def note(self, hook: str) -> None:
        self.seen.setdefault(hook, set()).add(TRACE.get())

    @hookimpl
    def altcraft_submitting(self) -> None:
        self.note("submitting")

    @hookimpl
    def altcraft_task_submitted(self) -> None:
        self.note("submitted")

    @hookimpl
    def altcraft_exchange_started(self) -> None:
        self.note("started")

    @hookimpl
    def altcraft_exchange_finished(self) -> None:
        self.note("finished")

    @hookimpl
    def altcraft_task_progress(self) -> None:
        self.note("progress")

    @hookimpl
    def altcraft_task_completed(self) -> None:
        self.note("completed")

    @hookimpl
    def altcraft_wait_started(self) -> None:
        self.note("wait started")

    @hookimpl
    def altcraft_wait_ended(self) -> None:
        self.note("wait ended")


def in_trace(world: World, work: Any) -> Any:
    """Carries the work out in a trace of its own."""

    def run() -> Any:
        TRACE.set("a trace")
        return world.do(work())

    return contextvars.copy_context().run(run)


def test_the_hooks_of_a_groups_workers_run_in_the_callers_context(world: World) -> None:
    traces = Traces()
    client = world.client([RUNNING] * 8 + [DONE] * 8, plugins=[traces])
    tasks = [client.tasks.resume(f"t-{number}") for number in range(8)]
    assert len(in_trace(world, lambda: client.tasks.as_completed(tasks, max_in_flight=4))) == 8
    hooks = ["wait started", "started", "finished", "progress", "completed", "wait ended"]
    assert traces.seen == {hook: {"a trace"} for hook in hooks}


def test_the_hooks_of_many_submissions_run_in_the_callers_context(world: World) -> None:
    traces = Traces()
    client = world.client([reply({"task_id": f"t-{number}"}) for number in range(8)], plugins=[traces])
    requests = [SegmentsRefreshCounters(number, 24) for number in range(8)]
    in_trace(world, lambda: client.submit_many(requests, max_in_flight=4))
    assert traces.seen == {hook: {"a trace"} for hook in ["submitting", "started", "finished", "submitted"]}


class Waits:
    """Notes the start and the end of each wait."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: list[tuple[str, type[BaseException] | None]] = []

    @hookimpl
    def altcraft_wait_started(self, task: Any) -> None:
        self.started.append(task.id)

    @hookimpl
    def altcraft_wait_ended(self, task: Any, error: BaseException | None) -> None:
        self.ended.append((task.id, None if error is None else type(error)))


def test_each_wait_of_a_group_ends_once_with_what_has_ended_it(world: World) -> None:
    waits = Waits()

    def answer(request: Any) -> Any:
        if b"gone" in request.body:
            return reply(error=404)
        return DONE if b"quick" in request.body else RUNNING

    client = world.client([answer], repeat=True, plugins=[waits])
    tasks = {name: client.tasks.resume(name) for name in ("quick", "gone", "slow")}
    done, not_done = world.do(client.tasks.wait(tasks.values(), timeout=60, max_in_flight=1))
    assert done == {tasks["quick"]}
    assert not_done == {tasks["gone"], tasks["slow"]}
    assert sorted(waits.started) == ["gone", "quick", "slow"]
    assert sorted(waits.ended, key=str) == [("gone", NotFound), ("quick", None), ("slow", WaitTimeout)]


def test_the_waits_of_an_iteration_left_half_way_have_their_end(world: World) -> None:
    waits = Waits()
    with Client(
        "https://example.com", "t", transport=World(is_async=False).transport([DONE] * 3), plugins=[waits]
    ) as client:
        tasks = [client.tasks.resume(f"t-{number}") for number in range(3)]
        iteration = client.tasks.as_completed(tasks, max_in_flight=1)
        next(iteration)
        iteration.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(waits.started) == len(waits.ended) == 3


def test_an_outage_keeps_no_task_from_its_end_and_all_hold_back_together(world: World) -> None:
    sent = []

    def answer(_request: Any) -> Any:
        sent.append(world.clock.now)
        if world.clock.now < 60:
            raise ConnectError("refused")
        return DONE

    client = world.client([answer], repeat=True, polling=Polling(initial=1.0), retry=Retry(patience=300))
    tasks = [client.tasks.resume(f"t-{number}") for number in range(50)]
    done, not_done = world.do(client.tasks.wait(tasks, timeout=600, max_in_flight=4))
    assert (len(done), not_done) == (50, set())
    assert sum(at < 60 for at in sent) < 50, "each refusal holds back the whole group"


@pytest.mark.parametrize("error", [ConnectError("refused"), reply(error=503, status=503)])
def test_not_done_has_all_whose_outcome_is_not_known(world: World, error: Any) -> None:
    client = world.client([error], repeat=True, retry=Retry(patience=0))
    tasks = [client.tasks.resume(f"t-{number}") for number in range(3)]
    done, not_done = world.do(client.tasks.wait(tasks, timeout=60))
    assert (done, not_done) == (set(), set(tasks))
