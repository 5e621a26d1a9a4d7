"""Which delivery hints at which task, and for how long a URL is good."""

from __future__ import annotations

import gc
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from math import inf, nan

import pytest

from altcraft import Client, Feedback, TaskFailed, hookimpl
from altcraft.hooks import Hooks
from altcraft.testing import FakeTransport, reply
from altcraft_plugins.feedback import FeedbackReceiver
from altcraft_plugins.feedback.url_table import LINGER
from plugins.feedback.world import BASE, FakeTask, Heard, waiting

TYPE = {"Content-Type": "application/json"}
SECRET = "a secret that both of them have"


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def test_every_url_is_new_and_hard_to_guess():
    receiver = FeedbackReceiver(BASE)
    urls = {receiver.feedback().url for _ in range(1000)}
    assert len(urls) == 1000
    assert all(re.fullmatch(re.escape(BASE) + r"/[\w-]{56}", url) for url in urls)


def test_the_type_is_what_was_asked_for(receiver):
    assert (receiver.feedback().type, receiver.feedback("XML").type) == ("JSON", "XML")


def test_a_delivery_hints_at_its_own_task_only(receiver, heard):
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
def test_only_the_last_part_of_the_path_counts(receiver, form):
    task, url = waiting(receiver)
    given = form.format(url=url, path=url.removeprefix("https://me.example"), token=url.rpartition("/")[2])
    assert receiver.deliver(given, TYPE).status == 200
    assert task.hints == 1


def test_the_key_names_the_url_and_does_not_open_it(receiver, heard):
    _, url = waiting(receiver)
    receiver.deliver(url, TYPE)
    key = heard.deliveries[0].key
    assert key in url
    for guess in (key, key * 2, key + "A" * 28):
        assert receiver.deliver(f"{BASE}/{guess}", TYPE).status == 404
    assert url.rpartition("/")[2] not in repr(heard.deliveries[0])


def test_a_delivery_that_overtakes_the_reply_to_the_submission_counts(receiver):
    feedback = receiver.feedback()
    assert receiver.deliver(feedback.url, TYPE).status == 200
    task = FakeTask(feedback)
    receiver.altcraft_task_submitted(task=task)
    assert task.hints == 1


def test_a_task_without_feedback_or_with_a_foreign_url_is_passed_over(receiver):
    for feedback in (None, Feedback("https://other.example/hook"), FeedbackReceiver(BASE).feedback()):
        receiver.altcraft_task_submitted(task=FakeTask(feedback))
        receiver.altcraft_task_completed(task=FakeTask(feedback))
    assert receiver.waiting == []


def test_it_lists_the_tasks_that_a_delivery_would_hint_at(receiver):
    tasks = [waiting(receiver, f"t-{n}")[0] for n in range(3)]
    assert (receiver.waiting, len(receiver)) == (["t-0", "t-1", "t-2"], 3)
    receiver.altcraft_task_completed(task=tasks[0])
    receiver.altcraft_task_failed(task=tasks[2], error=TaskFailed(None))  # type: ignore[arg-type]
    assert (receiver.waiting, len(receiver)) == (["t-1"], 1)


def test_the_url_of_an_ended_task_answers_for_five_minutes_and_hints_at_nothing():
    clock, heard = Clock(), Heard()
    receiver = FeedbackReceiver(BASE, plugins=[heard], clock=clock)
    task, url = waiting(receiver)
    receiver.altcraft_task_completed(task=task)
    assert receiver.deliver(url, TYPE).status == 200
    clock.now += LINGER
    assert receiver.deliver(url, TYPE).status == 404
    assert task.hints == 0
    assert heard.deliveries == []


def test_a_url_expires():
    clock = Clock()
    receiver = FeedbackReceiver(BASE, lifetime=60.0, clock=clock)
    _task, url = waiting(receiver)
    clock.now += 59
    assert receiver.deliver(url, TYPE).status == 200
    clock.now += 2
    assert receiver.deliver(url, TYPE).status == 404
    receiver.feedback()
    assert len(receiver) == 1


def test_the_oldest_urls_give_way_to_new_ones():
    receiver = FeedbackReceiver(BASE, capacity=100)
    tasks = [waiting(receiver, f"t-{n}") for n in range(250)]
    assert len(receiver) == 100
    assert [receiver.deliver(url, TYPE).status for _, url in tasks] == [404] * 150 + [200] * 100


def test_the_oldest_urls_of_ended_tasks_give_way_too():
    receiver = FeedbackReceiver(BASE, capacity=100)
    urls = []
    for n in range(250):
        task, url = waiting(receiver, f"t-{n}")
        receiver.altcraft_task_completed(task=task)
        urls.append(url)
    assert len(receiver) == 0
    assert [receiver.deliver(url, TYPE).status for url in urls] == [404] * 150 + [200] * 100


def test_the_receiver_keeps_no_task_alive(receiver):
    task, url = waiting(receiver)
    del task
    gc.collect()
    assert receiver.waiting == []
    assert receiver.deliver(url, TYPE).status == 200


def test_a_url_hints_once_in_its_spacing_however_often_it_is_called(heard):
    receiver = FeedbackReceiver(BASE, plugins=[heard], spacing=3600.0)
    task, url = waiting(receiver)
    assert {receiver.deliver(url, TYPE, b"again").status for _ in range(100)} == {200}
    assert task.hints == len(heard.deliveries) == 1


@pytest.mark.parametrize("known_here", [True, False])
def test_simultaneous_deliveries_of_one_url_give_one_hint(heard, known_here):
    """All eight have been admitted, and their bodies are being read, before the first of them is taken."""
    together = threading.Barrier(8)

    class Body:
        def __init__(self) -> None:
            self.read_once = False

        def read(self, size: int) -> bytes:
            if not self.read_once:
                self.read_once = True
                together.wait(20)
                return b"{}"
            return b""

    here = FeedbackReceiver(BASE, secret=SECRET, plugins=[heard], spacing=3600.0)
    task, url = waiting(here if known_here else FeedbackReceiver(BASE, secret=SECRET))
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: here.deliver(url, TYPE, Body()).status, range(8)))
    assert answers == [200] * 8
    assert len(heard.deliveries) == 1
    assert task.hints == (1 if known_here else 0)


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


def test_a_receiver_is_true_before_it_has_handed_out_a_url(receiver):
    assert len(receiver) == 0
    assert receiver


# Clients.


def test_as_a_plugin_it_learns_by_itself_of_a_tasks_beginning_and_end():
    receiver = FeedbackReceiver(BASE)
    transport = FakeTransport([reply({"task_id": "t-9"}), reply({"status": "completed", "result": []})])
    with Client("https://example.com", "a-token-for-tests", transport=transport, plugins=[receiver]) as client:
        task = client.databases.refresh_counters(5, resource_id=24, feedback=receiver.feedback())
        assert receiver.waiting == ["t-9"]
        task.result()
        assert len(receiver) == 0


def test_with_a_clients_hooks_it_becomes_a_plugin_of_that_client_and_tells_the_others():
    heard = Heard()
    with Client(
        "https://example.com",
        "a-token-for-tests",
        transport=FakeTransport([reply({"task_id": "t-9"})]),
        plugins=[heard],
    ) as client:
        another = Heard()
        receiver = FeedbackReceiver(BASE, hooks=client.hooks, plugins=[another])
        feedback = receiver.feedback()
        task = client.resources.refresh_counters(24, feedback=feedback)
        receiver.deliver(feedback.url, TYPE)
        assert [delivery.task_id for delivery in heard.deliveries] == [task.id]
        assert another.deliveries == heard.deliveries


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
    here = FeedbackReceiver(BASE, secret=SECRET)
    there = FeedbackReceiver(BASE, secret=SECRET.encode(), plugins=[heard])
    task, url = waiting(here)
    assert there.deliver(url, TYPE, b"{}").status == 200
    (delivery,) = heard.deliveries
    assert delivery.task_id is None
    assert task.hints == 0
    assert here.notify(delivery.key)
    assert task.hints == 1
    assert not there.notify(delivery.key)
    assert not here.notify("nonsense")


def test_with_another_secret_or_none_the_urls_of_another_receiver_are_404():
    _, url = waiting(FeedbackReceiver(BASE, secret=SECRET))
    for other in (FeedbackReceiver(BASE), FeedbackReceiver(BASE, secret="another secret altogether")):
        assert other.deliver(url, TYPE).status == 404


def test_urls_of_other_processes_are_kept_up_to_the_capacity_too():
    here = FeedbackReceiver(BASE, secret=SECRET)
    there = FeedbackReceiver(BASE, secret=SECRET, capacity=10)
    for _ in range(50):
        assert there.deliver(here.feedback().url, TYPE).status == 200
    assert len(there) == 10


@pytest.mark.parametrize("delivered_before", [True, False])
def test_an_expired_url_is_404_with_a_shared_secret_too(delivered_before):
    """The expiry travels in the URL, so every process knows it."""
    clock, heard = Clock(), Heard()
    here = FeedbackReceiver(BASE, secret=SECRET, lifetime=60.0, clock=clock)
    there = FeedbackReceiver(BASE, secret=SECRET, plugins=[heard], spacing=0.0, clock=clock)
    task, url = waiting(here)
    if delivered_before:
        assert (here.deliver(url, TYPE).status, there.deliver(url, TYPE).status) == (200, 200)
    clock.now += 60.0
    assert (here.deliver(url, TYPE).status, there.deliver(url, TYPE).status) == (404, 404)
    assert task.hints == len(heard.deliveries) == (1 if delivered_before else 0)
    with pytest.raises(ValueError, match="t-1"):
        here.watch(task)


def test_the_url_of_an_ended_task_is_404_after_its_lifetime_however_soon_that_is():
    clock = Clock()
    receiver = FeedbackReceiver(BASE, lifetime=60.0, clock=clock)
    task, url = waiting(receiver)
    receiver.altcraft_task_completed(task=task)
    clock.now += 60.0
    assert receiver.deliver(url, TYPE).status == 404


# Settings.


@pytest.mark.parametrize(
    ("name", "value"),
    [("lifetime", 0), ("lifetime", nan), ("lifetime", inf), ("capacity", 0), ("read_timeout", 0), ("read_timeout", nan),
     ("limit", -1), ("spacing", -1), ("spacing", nan), ("secret", "short"), ("secret", b"")],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        FeedbackReceiver(BASE, **{name: value})


def test_nothing_secret_is_shown():
    receiver = FeedbackReceiver(BASE, secret=SECRET)
    _, url = waiting(receiver)
    assert SECRET not in repr(receiver)
    assert url.rpartition("/")[2] not in repr(receiver)
    assert "pass" not in repr(FeedbackReceiver("https://user:pass@me.example/@x"))


def test_plugins_may_be_added_through_its_hooks():
    receiver, heard = FeedbackReceiver(BASE), Heard()
    assert isinstance(receiver.hooks, Hooks)
    receiver.hooks.register(heard)
    receiver.deliver(receiver.feedback().url, TYPE)
    assert len(heard.deliveries) == 1


def test_the_key_of_a_url_is_that_of_its_deliveries_in_every_process_with_the_secret(heard):
    ours = FeedbackReceiver(BASE, secret=SECRET)
    theirs = FeedbackReceiver(BASE, secret=SECRET, plugins=[heard])
    url = ours.feedback().url
    theirs.deliver(url, TYPE, b"{}")
    assert [ours.key(url), theirs.key(url)] == [delivery.key for delivery in heard.deliveries] * 2
    assert FeedbackReceiver(BASE, secret="another secret, of others").key(url) is None
    assert ours.key(BASE) is None
