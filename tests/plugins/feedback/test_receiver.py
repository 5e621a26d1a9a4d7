"""Which deliveries hint at which task, and what is remembered."""

from __future__ import annotations

import gc
import re

import pytest

from altcraft import Client, Feedback, TaskFailed, hookimpl
from altcraft.hooks import Hooks
from altcraft.testing import FakeTransport, reply
from altcraft_plugins.feedback import FeedbackReceiver
from altcraft_plugins.feedback.url_table import LINGER
from plugins.feedback.world import BASE, FakeTask, Heard, waiting

TYPE = {"Content-Type": "application/json"}


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def test_every_url_is_new_and_unguessable():
    receiver = FeedbackReceiver(BASE)
    urls = {receiver.feedback().url for _ in range(1000)}
    assert len(urls) == 1000
    assert all(re.fullmatch(re.escape(BASE) + r"/[\w-]{56}", url) for url in urls)


def test_the_type_is_what_was_asked_for(receiver):
    assert (receiver.feedback().type, receiver.feedback("XML").type) == ("JSON", "XML")


def test_a_delivery_hints_at_its_task_and_no_other(receiver, heard):
    first, url = waiting(receiver, "t-1")
    second, _ = waiting(receiver, "t-2")
    answer = receiver.deliver(url, TYPE, b'{"status": "completed"}')
    assert (answer.status, answer.body) == (200, b"")
    assert (first.hints, second.hints) == (1, 0)
    (delivery,) = heard.deliveries
    assert (delivery.task_id, delivery.content_type, delivery.body) == (
        "t-1",
        *TYPE.values(),
        b'{"status": "completed"}',
    )


@pytest.mark.parametrize(
    "form", ["{url}", "{path}", "{token}", "{path}/", "{path}?a=b", "/elsewhere/{token}", "{url}?x"]
)
def test_the_last_part_of_the_path_is_what_counts(receiver, form):
    task, url = waiting(receiver)
    given = form.format(url=url, path=url.removeprefix("https://me.example"), token=url.rpartition("/")[2])
    assert receiver.deliver(given, TYPE).status == 200
    assert task.hints == 1


def test_the_key_names_the_url_without_giving_it_away(receiver, heard):
    _, url = waiting(receiver)
    receiver.deliver(url, TYPE)
    key = heard.deliveries[0].key
    assert key in url
    for guess in (key, key * 2, key + "A" * 28):
        assert receiver.deliver(f"{BASE}/{guess}", TYPE).status == 404
    assert url.rpartition("/")[2] not in repr(heard.deliveries[0])


def test_a_delivery_that_is_faster_than_the_submissions_answer_counts(receiver):
    feedback = receiver.feedback()
    assert receiver.deliver(feedback.url, TYPE).status == 200
    task = FakeTask(feedback)
    receiver.altcraft_task_submitted(task=task)
    assert task.hints == 1


def test_a_task_without_feedback_or_with_anothers_is_passed_over(receiver):
    for feedback in (None, Feedback("https://other.example/hook"), FeedbackReceiver(BASE).feedback()):
        receiver.altcraft_task_submitted(task=FakeTask(feedback))
        receiver.altcraft_task_completed(task=FakeTask(feedback))
    assert receiver.waiting == []


def test_it_knows_who_waits(receiver):
    tasks = [waiting(receiver, f"t-{n}")[0] for n in range(3)]
    assert (receiver.waiting, len(receiver)) == (["t-0", "t-1", "t-2"], 3)
    receiver.altcraft_task_completed(task=tasks[0])
    receiver.altcraft_task_failed(task=tasks[2], error=TaskFailed(None))  # type: ignore[arg-type]
    assert (receiver.waiting, len(receiver)) == (["t-1"], 1)


def test_the_url_of_a_finished_task_still_answers_for_a_while_and_hints_at_nothing():
    clock, heard = Clock(), Heard()
    receiver = FeedbackReceiver(BASE, plugins=[heard], clock=clock)
    task, url = waiting(receiver)
    receiver.altcraft_task_completed(task=task)
    assert receiver.deliver(url, TYPE).status == 200
    clock.now += LINGER + 1
    assert receiver.deliver(url, TYPE).status == 404
    assert task.hints == 0
    assert heard.deliveries == []


def test_a_url_runs_out():
    clock = Clock()
    receiver = FeedbackReceiver(BASE, lifetime=60.0, clock=clock)
    _task, url = waiting(receiver)
    clock.now += 59
    assert receiver.deliver(url, TYPE).status == 200
    clock.now += 2
    assert receiver.deliver(url, TYPE).status == 404
    receiver.feedback()
    assert len(receiver) == 1


def test_memory_is_bounded_and_the_oldest_go_first():
    receiver = FeedbackReceiver(BASE, capacity=100)
    tasks = [waiting(receiver, f"t-{n}") for n in range(250)]
    assert len(receiver) == 100
    assert [receiver.deliver(url, TYPE).status for _, url in tasks] == [404] * 150 + [200] * 100
    for task, _ in tasks:
        receiver.altcraft_task_completed(task=task)
    assert len(receiver) == 0
    assert len(receiver._inbox.table._ended) <= 100


def test_a_task_that_nobody_holds_any_more_is_not_kept_alive(receiver):
    task, url = waiting(receiver)
    del task
    gc.collect()
    assert receiver.waiting == []
    assert receiver.deliver(url, TYPE).status == 200


def test_a_replay_is_harmless_and_hints_no_more_often_than_the_spacing_allows(heard):
    receiver = FeedbackReceiver(BASE, plugins=[heard], spacing=3600.0)
    task, url = waiting(receiver)
    assert {receiver.deliver(url, TYPE, b"again").status for _ in range(100)} == {200}
    assert task.hints == len(heard.deliveries) == 1


def test_a_plugin_that_raises_spoils_nothing(caplog):
    class Broken:
        @hookimpl
        def altcraft_feedback_received(self) -> None:
            raise RuntimeError("the bus is down")

    receiver = FeedbackReceiver(BASE, plugins=[Broken()])
    task, url = waiting(receiver)
    assert receiver.deliver(url, TYPE).status == 200
    assert task.hints == 1
    assert "the bus is down" in caplog.text


# Clients.


def test_as_a_plugin_it_binds_and_forgets_by_itself():
    receiver = FeedbackReceiver(BASE)
    transport = FakeTransport([reply({"task_id": "t-9"}), reply({"status": "completed", "result": []})])
    with Client("https://example.com", "a-token-for-tests", transport=transport, plugins=[receiver]) as client:
        task = client.databases.refresh_counters(5, resource_id=24, feedback=receiver.feedback())
        assert receiver.waiting == ["t-9"]
        task.result()
        assert len(receiver) == 0


def test_with_a_clients_hooks_it_joins_them_and_tells_their_plugins():
    heard = Heard()
    with Client(
        "https://example.com",
        "a-token-for-tests",
        transport=FakeTransport([reply({"task_id": "t-9"})]),
        plugins=[heard],
    ) as client:
        receiver = FeedbackReceiver(BASE, hooks=client.hooks)
        feedback = receiver.feedback()
        task = client.resources.refresh_counters(24, feedback=feedback)
        receiver.deliver(feedback.url, TYPE)
        assert [delivery.task_id for delivery in heard.deliveries] == [task.id]


def test_a_task_can_be_watched_by_hand(receiver):
    feedback = receiver.feedback()
    known, resumed = FakeTask(feedback), FakeTask(None, "t-2")
    receiver.watch(known)
    receiver.deliver(feedback.url, TYPE)
    assert known.hints == 1
    feedback = receiver.feedback()
    receiver.watch(resumed, feedback)
    receiver.deliver(feedback.url, TYPE)
    assert resumed.hints == 1
    for task in (FakeTask(None), FakeTask(Feedback("https://other.example/x"))):
        with pytest.raises(ValueError, match="t-1"):
            receiver.watch(task)


# Several processes: receivers with the same secret.


def test_with_a_shared_secret_one_takes_deliveries_for_another():
    heard = Heard()
    here = FeedbackReceiver(BASE, secret="a secret that both of them have")
    there = FeedbackReceiver(BASE, secret=b"a secret that both of them have", plugins=[heard])
    task, url = waiting(here)
    assert there.deliver(url, TYPE, b"{}").status == 200
    (delivery,) = heard.deliveries
    assert delivery.task_id is None
    assert task.hints == 0
    assert here.notify(delivery.key)
    assert task.hints == 1
    assert not there.notify(delivery.key)
    assert not here.notify("nonsense")


def test_without_the_secret_nobody_takes_them():
    _, url = waiting(FeedbackReceiver(BASE, secret="a secret that both of them have"))
    for other in (FeedbackReceiver(BASE), FeedbackReceiver(BASE, secret="another secret altogether")):
        assert other.deliver(url, TYPE).status == 404


def test_pages_of_foreign_urls_are_bounded_too():
    here = FeedbackReceiver(BASE, secret="a secret that both of them have")
    there = FeedbackReceiver(BASE, secret="a secret that both of them have", capacity=10)
    for _ in range(50):
        assert there.deliver(here.feedback().url, TYPE).status == 200
    assert len(there) == 10


# Settings.


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "me.example/feedback"},
        {"base_url": "ftp://me.example"},
        {"base_url": "https://"},
        {"base_url": "https://me.example/?a=b"},
        {"lifetime": 0},
        {"capacity": 0},
        {"read_timeout": 0},
        {"limit": -1},
        {"spacing": -1},
        {"secret": "short"},
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        FeedbackReceiver(**{"base_url": BASE, **settings})


def test_nothing_secret_is_shown():
    receiver = FeedbackReceiver(BASE, secret="a secret that both of them have")
    _, url = waiting(receiver)
    assert "secret" not in repr(receiver)
    assert url.rpartition("/")[2] not in repr(receiver)


def test_hooks_of_its_own_are_public():
    receiver, heard = FeedbackReceiver(BASE), Heard()
    assert isinstance(receiver.hooks, Hooks)
    receiver.hooks.register(heard)
    receiver.deliver(receiver.feedback().url, TYPE)
    assert len(heard.deliveries) == 1
