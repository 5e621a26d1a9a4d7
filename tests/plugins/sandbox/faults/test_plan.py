"""The plan is an immutable value: what it chooses follows from the seed and from what is asked."""

from __future__ import annotations

import math

import pytest

from altcraft_plugins.sandbox import FaultPlan
from altcraft_plugins.sandbox.faults import (
    Drip,
    ErrorReply,
    Hang,
    Latency,
    Outage,
    Reset,
    TaskFails,
    TaskLag,
    TaskStalls,
)
from altcraft_plugins.sandbox.faults.plan import OPERATIONS
from altcraft_plugins.sandbox.methods import Methods

STATUS = "tasks/status"
SEGMENT = "segments/refresh_counters"


def chosen(plan, operation=STATUS, at=0.0, count=10_000):
    return [plan.exchange_fault(operation, f"request {n}", at) for n in range(count)]


def test_a_plan_is_an_immutable_value():
    plan = FaultPlan([Reset(rate=0.1)], seed=7)
    assert plan == FaultPlan((Reset(rate=0.1),), seed=7)
    assert plan != FaultPlan((Reset(rate=0.1),), seed=8)
    assert hash(plan) == hash(FaultPlan([Reset(rate=0.1)], seed=7))
    with pytest.raises(AttributeError):
        plan.seed = 8
    with pytest.raises(AttributeError):
        plan.faults[0].rate = 1.0


def test_an_empty_plan_has_no_fault():
    assert set(chosen(FaultPlan())) == {None}
    assert FaultPlan().task_fault(SEGMENT, "1", 0) is None


def test_the_rates_hold_and_add_up():
    latency, error, reset = Latency(1.0, rate=0.1), ErrorReply(503, rate=0.05), Reset(rate=0.15)
    faults = chosen(FaultPlan([latency, error, reset], seed=1))
    assert faults.count(latency) == pytest.approx(1000, abs=100)
    assert faults.count(error) == pytest.approx(500, abs=80)
    assert faults.count(reset) == pytest.approx(1500, abs=120)


def test_the_choice_follows_from_the_seed_and_the_request():
    plan = FaultPlan([Reset(rate=0.5)], seed=1)
    assert chosen(plan) == chosen(FaultPlan([Reset(rate=0.5)], seed=1))
    assert chosen(plan) != chosen(FaultPlan([Reset(rate=0.5)], seed=2))
    backwards = [plan.exchange_fault(STATUS, f"request {n}", 0) for n in reversed(range(100))]
    assert backwards[::-1] == chosen(plan, count=100)


def test_later_faults_get_what_earlier_ones_leave():
    first, second = Latency(1.0, rate=0.7), Reset(rate=0.7)
    faults = chosen(FaultPlan([first, second]))
    assert faults.count(second) == pytest.approx(3000, abs=150)
    assert None not in faults


def test_a_fault_belongs_to_its_operations():
    plan = FaultPlan([Reset(operations=("*/refresh_counters", "tasks/status"))])
    hit = {operation for operation in OPERATIONS if plan.exchange_fault(operation, "1", 0) is not None}
    assert hit == {name for name in OPERATIONS if "get_counters" not in name}


def test_a_fault_belongs_to_its_time():
    plan = FaultPlan([Reset(since=10, until=20)])
    seconds = [0, 9.99, 10, 19.99, 20, 1e9]
    assert [plan.exchange_fault(STATUS, "1", at) is not None for at in seconds] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    assert FaultPlan([Reset(since=10)]).exchange_fault(STATUS, "1", 1e9) == Reset(since=10)


def test_exchanges_and_tasks_are_drawn_apart():
    fails, reset = TaskFails("no", rate=0.5), Reset(rate=0.5)
    plan = FaultPlan([fails, reset])
    pairs = [(plan.task_fault(SEGMENT, str(n), 0), plan.exchange_fault(SEGMENT, str(n), 0)) for n in range(4000)]
    assert {fault for fault, _ in pairs} == {fails, None}
    assert {fault for _, fault in pairs} == {reset, None}
    assert pairs.count((fails, reset)) == pytest.approx(1000, abs=120)


def test_an_outage_begins_and_ends():
    plan = FaultPlan([Outage(since=5, until=10), Outage(since=20, until=21)])
    assert [plan.is_away(at) for at in (0, 5, 9.9, 10, 20.5, 30)] == [False, True, True, False, True, False]
    assert [plan.next_change(at) for at in (0, 5, 12, 20, 30)] == [5, 10, 20, 21, math.inf]
    assert set(chosen(plan, at=7, count=10)) == {None}


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Reset(rate=1.5), "rate is a number from 0 to 1, not 1.5"),
        (lambda: Reset(rate=-0.1), "rate"),
        (lambda: Reset(rate=math.nan), "rate"),
        (lambda: Reset(operations=()), "operations holds at least one name"),
        (lambda: Reset(operations=("task/status",)), "operations holds names such as .*not 'task/status'"),
        (lambda: Reset(since=-1), "since is a number of seconds"),
        (lambda: Reset(since=math.inf), "since"),
        (lambda: Reset(since=5, until=5), "until is later than since"),
        (lambda: Latency(-1), "seconds"),
        (lambda: Drip(math.nan), "seconds"),
        (lambda: Hang(seconds=math.inf), "seconds"),
        (lambda: TaskLag(-1), "seconds"),
        (lambda: TaskStalls(at=101), "at is a progress from 0 to 100"),
        (lambda: TaskFails(at=-1), "at"),
        (lambda: ErrorReply(99), "status is an HTTP status"),
        (lambda: ErrorReply(600), "status"),
        (lambda: ErrorReply(503, retry_after="5\r\nX: y"), "retry_after"),
        (lambda: Outage(since=5), "an outage ends"),
        (lambda: Outage(until=5, rate=0.5), "an outage takes since and until alone"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_by_its_key(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()


def test_the_plan_knows_every_operation_of_the_sandbox():
    assert sorted(OPERATIONS) == sorted(Methods(None, None, None, None).by_path())
