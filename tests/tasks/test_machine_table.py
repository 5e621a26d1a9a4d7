"""The table of transitions has every event in every state, or the pair is impossible."""

from __future__ import annotations

import itertools

import pytest

from altcraft.tasks.events import Began, Event, Failed, Notified, Observed, Responded, Woke
from altcraft.tasks.machine import CallMachine, State, TaskMachine
from tasks.machines import EVENTS, call, task

IMPOSSIBLE = {
    TaskMachine: {
        *itertools.product([State.IDLE], [Responded, Failed, Woke]),
        *itertools.product([State.SENDING], [Began, Woke]),
        *itertools.product([State.SLEEPING, State.BACKING_OFF], [Began, Responded, Failed]),
    },
    CallMachine: {
        *itertools.product([State.IDLE], [Responded, Failed, Woke, Notified, Observed]),
        *itertools.product([State.SENDING], [Began, Woke, Notified, Observed]),
        *itertools.product([State.SLEEPING], EVENTS),
        *itertools.product([State.BACKING_OFF], [Began, Responded, Failed, Notified, Observed]),
        *itertools.product([State.DONE], EVENTS),
    },
}


@pytest.mark.parametrize("kind", [TaskMachine, CallMachine])
def test_every_event_in_every_state_is_in_the_table_or_impossible_on_purpose(kind: type[TaskMachine]) -> None:
    everything = set(itertools.product(State, EVENTS))
    assert set(kind.TABLE) | IMPOSSIBLE[kind] == everything
    assert not set(kind.TABLE) & IMPOSSIBLE[kind]


def test_the_table_knows_every_event_that_there_is() -> None:
    assert set(Event.__subclasses__()) == set(EVENTS)


@pytest.mark.parametrize(
    ("kind", "state", "event"),
    [(kind, state, event) for kind, pairs in IMPOSSIBLE.items() for state, event in sorted(pairs, key=str)],
)
def test_an_impossible_event_is_a_runtime_error_that_changes_nothing(
    kind: type, state: State, event: type[Event]
) -> None:
    machine = task() if kind is TaskMachine else call(safe=True)
    machine.state = state
    with pytest.raises(RuntimeError, match=f"{event.__name__} makes no sense while {state.value}"):
        machine.handle(EVENTS[event])
    assert machine.state is state
