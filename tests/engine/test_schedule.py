"""The schedule, which is pure: which entry is taken when, and the pace that it keeps."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft.engine.schedule import Schedule

seconds = st.floats(0, 100, allow_nan=False)


def drained(schedule: Schedule[int], at: float) -> list[tuple[float, int]]:
    """Each entry and the time at which it is taken, by a caller that takes each one as soon as it is due."""
    taken: list[tuple[float, int]] = []
    while (start := schedule.next_start()) < math.inf:
        at = max(at, start)
        taken.append((at, schedule.take()))
        schedule.started(at)
    return taken


def filled(count: int, limit: float | None = None, due: float = 0.0) -> Schedule[int]:
    schedule: Schedule[int] = Schedule(limit)
    for entry in range(count):
        schedule.add(entry, due)
    return schedule


@given(st.lists(seconds, max_size=50))
def test_entries_come_in_the_order_in_which_they_are_due(dues: list[float]) -> None:
    schedule: Schedule[int] = Schedule()
    for entry, due in enumerate(dues):
        schedule.add(entry, due)
    taken = drained(schedule, 0.0)
    assert [dues[entry] for _, entry in taken] == sorted(dues)
    assert all(at >= dues[entry] for at, entry in taken)


@given(st.lists(seconds, min_size=2, max_size=50), st.floats(0.1, 1000))
def test_no_two_starts_are_closer_than_the_limit_allows(dues: list[float], limit: float) -> None:
    schedule: Schedule[int] = Schedule(limit)
    for entry, due in enumerate(dues):
        schedule.add(entry, due)
    starts = [at for at, _ in drained(schedule, 0.0)]
    assert all(later - earlier >= 1 / limit - 1e-9 for earlier, later in pairwise(starts))


@given(st.lists(st.tuples(st.sampled_from(["add", "withdraw", "take"]), seconds), max_size=200))
def test_an_entry_is_there_until_it_is_taken_or_withdrawn(steps: list[tuple[str, float]]) -> None:
    schedule: Schedule[int] = Schedule()
    there = {}
    for number, (step, due) in enumerate(steps):
        if step == "add":
            there[number] = schedule.add(number, due)
        elif step == "withdraw" and there:
            schedule.withdraw(there.pop(min(there)))
        elif step == "take" and there:
            first = min(there.values())
            assert schedule.next_start() == first
            assert there.pop(schedule.take()) == first
        assert len(schedule) == len(there)
    assert sorted(schedule.clear()) == sorted(there)
    assert schedule.next_start() == math.inf


def test_what_is_withdrawn_does_not_pile_up() -> None:
    schedule = filled(100)
    for number in range(10_000):
        schedule.withdraw(schedule.add(number, 1e9))
    assert len(schedule) == 100
    assert len(schedule._heap) < 400


def test_a_limit_that_lets_nothing_through_is_refused() -> None:
    with pytest.raises(ValueError, match="max_polls_per_second"):
        Schedule(0.0)


# Refusals.


def test_nothing_starts_while_a_refusal_is_waited_out() -> None:
    schedule = filled(20)
    schedule.refused(0.0, 1.0, 30.0, 30.0)
    assert schedule.next_start() == 31.0


def test_after_a_refusal_what_is_due_is_spread_over_as_much_time_again() -> None:
    schedule = filled(300)
    schedule.refused(0.0, 0.0, 30.0, 30.0)
    starts = [at for at, _ in drained(schedule, 0.0)]
    assert starts[0] == 30.0
    assert starts[-1] == pytest.approx(60.0, abs=1.0)
    assert Counter(int(at) for at in starts).most_common(1)[0][1] <= 11, "ten a second, evenly"


def test_refusals_of_exchanges_that_were_under_way_together_count_as_one() -> None:
    one, many = filled(100), filled(100)
    one.refused(0.0, 1.0, 2.0, 30.0)
    for number in range(32):
        many.refused(0.0 + number / 100, 1.0 + number / 1000, 2.0, 30.0)
    assert many.next_start() == pytest.approx(one.next_start(), abs=0.1)


def test_the_longest_of_several_delays_counts() -> None:
    schedule = filled(10)
    schedule.refused(0.0, 1.0, 20.0, 30.0)
    schedule.refused(0.5, 1.1, 1.0, 30.0)
    assert schedule.next_start() == 21.0


def test_refusals_in_a_row_are_waited_out_twice_as_long_each_up_to_a_bound() -> None:
    schedule = filled(1000)
    at, holds = 0.0, []
    for _ in range(8):
        schedule.refused(at, at, 0.5, 30.0)
        start = schedule.next_start()
        holds.append(start - at)
        schedule.take()
        schedule.started(start)
        at = start
    assert holds == pytest.approx([0.5, 1, 2, 4, 8, 16, 30, 30])


def test_a_refusal_after_an_answer_starts_anew() -> None:
    schedule = filled(1000)
    schedule.refused(0.0, 0.0, 8.0, 30.0)
    schedule.answered(8.0)
    schedule.refused(8.1, 8.2, 0.5, 30.0)
    assert schedule.next_start() == 8.7


def test_an_answer_to_what_was_sent_before_a_refusal_says_nothing_of_it() -> None:
    schedule = filled(1000)
    schedule.refused(0.0, 1.0, 8.0, 30.0)
    schedule.answered(0.5)
    schedule.refused(9.0, 9.0, 0.5, 30.0)
    assert schedule.next_start() == 9.0 + 16.0


def test_the_pace_finds_what_a_server_allows_and_stays_near_it() -> None:
    """A server that answers ten polls a second, and a thousand tasks that are always due."""
    schedule = filled(1000)
    at, allowance, last, answered, refused = 0.0, 10.0, 0.0, 0, 0
    while at < 300:
        at = max(at, schedule.next_start())
        allowance, last = min(10.0, allowance + (at - last) * 10), at
        entry = schedule.take()
        schedule.started(at)
        if allowance >= 1:
            allowance -= 1
            answered += 1
            schedule.answered(at)
        else:
            refused += 1
            schedule.refused(at, at, 1.0, 30.0)
        schedule.add(entry, at)
    assert answered >= 0.25 * 10 * 300
    assert refused <= 0.1 * answered


def test_a_few_refusals_by_chance_do_not_bring_everything_to_a_stop() -> None:
    dice = random.Random(1)
    schedule = filled(40)
    at, answered = 0.0, 0
    while at < 600:
        at = max(at, schedule.next_start())
        entry = schedule.take()
        schedule.started(at)
        if dice.random() < 0.03:
            schedule.refused(at, at, 0.4, 30.0)
        else:
            schedule.answered(at)
            answered += 1
        schedule.add(entry, at)
        at += 0.001
    assert answered >= 600 * 20


def test_after_the_process_was_held_up_what_fell_due_is_spread() -> None:
    schedule = filled(3000)
    schedule.held_up(100.0, 30.0)
    starts = [at for at, _ in drained(schedule, 100.0)]
    assert starts[0] == 100.0
    assert starts[-1] == pytest.approx(130.0, abs=1.0)


def test_a_few_tasks_are_polled_soon_after_the_process_was_held_up() -> None:
    schedule = filled(3)
    schedule.held_up(100.0, 30.0)
    assert drained(schedule, 100.0)[-1][0] <= 100.3


@given(st.lists(st.tuples(st.sampled_from(["poll", "refuse", "hold up", "wait"]), seconds), max_size=100))
def test_after_any_events_every_entry_is_taken_in_the_end(steps: list[tuple[str, float]]) -> None:
    schedule = filled(5, limit=50.0)
    at = 0.0
    for step, amount in steps:
        at += amount if step == "wait" else 0.0
        if step == "poll" and schedule.next_start() <= at:
            schedule.add(schedule.take(), at + amount)
            schedule.started(at)
        elif step == "refuse":
            schedule.refused(at - amount, at, amount, 30.0)
        elif step == "hold up":
            schedule.held_up(at, amount)
    taken = drained(schedule, at)
    assert sorted(entry for _, entry in taken) == [0, 1, 2, 3, 4]
    assert taken[-1][0] < at + 1000
