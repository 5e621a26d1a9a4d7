"""Deliveries to the URLs that tasks name: sent, repeated, withheld, and spoilt on request."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from contextlib import contextmanager

import pytest

from altcraft import ConnectError, HttpResponse
from altcraft.codecs import default_registry
from altcraft_plugins.sandbox import Sandbox
from altcraft_plugins.sandbox.counting.targets import Target
from altcraft_plugins.sandbox.data.store import Store
from altcraft_plugins.sandbox.durations import pace_of
from altcraft_plugins.sandbox.feedback.faults import KINDS, DeliveryFaults
from altcraft_plugins.sandbox.feedback.sender import DeliverySender
from altcraft_plugins.sandbox.feedback.table import ATTEMPTS, LEASE, DeliveryTable, is_loopback
from altcraft_plugins.sandbox.schema.requests import Feedback
from altcraft_plugins.sandbox.settings import parse_url
from altcraft_plugins.sandbox.tasks.table import Submission, TaskTable
from plugins.sandbox.api import finish, post, start, status
from plugins.sandbox.test_server import served

URL = "http://127.0.0.1:9/hooks/token"


class Post:
    """A transport that records requests, and answers from a script whose last answer is repeated."""

    def __init__(self, *answers):
        self.answers = list(answers) or [200]
        self.sent = []

    def send(self, request, *, timeout):
        self.sent.append(request)
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return HttpResponse(answer, {}, b"")

    def sleep(self, seconds):
        raise AssertionError("the sender waits by itself")

    def close(self):
        pass


class World:
    """The tables and the sender without the rest of the sandbox, at a time that the test sets."""

    def __init__(self, *answers, fault=None, file=None, anywhere=False):
        self.now = 1_700_000_000.0
        self.post = Post(*answers)
        self.store = Store(file, None if file else 50)
        self.deliveries = DeliveryTable(self.store, DeliveryFaults(fault), 2.0, anywhere=anywhere, now=lambda: self.now)
        self.tasks = TaskTable(self.store, self.deliveries)
        self.sender = DeliverySender(
            self.deliveries, default_registry(), thread=False, connect=lambda: self.post, clock=lambda: self.now
        )

    def start(self, url=URL, type="JSON"):
        feedback = Feedback(url, type) if url else None
        submission = Submission("databases/refresh_counters", "{}")
        return self.tasks.add(submission, [Target("database", 5, 5, 24)], "database", feedback)

    def finish(self, task_id):
        while self.tasks.advance(task_id).outcome == "more":
            pass
        self.sender.schedule(task_id)

    def row(self, task_id):
        with self.store.transaction() as rows:
            return rows.execute(
                "SELECT state, attempts, outcome FROM deliveries WHERE task_id = ?", (task_id,)
            ).fetchone()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sender.close()
        self.store.close()


@pytest.mark.parametrize("type", ["JSON", "XML"])
def test_a_delivery_holds_the_tasks_id_and_what_tasks_status_says(type):
    with World() as world:
        task_id = world.start(type=type)
        world.finish(task_id)
        assert world.sender.step()
        (request,) = world.post.sent
        assert (request.method, request.url) == ("POST", URL)
        assert request.headers["Content-Type"] == f"application/{type.lower()}"
        if type == "JSON":
            said = json.loads(request.body)
            assert list(said) == ["data", "error", "error_text"]
            assert list(said["data"]) == ["task_id", "status", "progress", "result"]
            assert said["data"]["task_id"] == task_id
            assert said["data"]["status"] == "completed"
            assert said["data"]["result"][0]["total_count"] == 1336
        else:
            assert request.body.startswith(b"<xml><data><task_id>" + task_id.encode() + b"</task_id>")
            assert b"<hardbounced>411</hardbounced>" in request.body
        assert world.row(task_id) == ("delivered", 1, "answered with 200")
        assert not world.sender.step()


def test_a_failed_task_is_delivered_too():
    with World() as world:
        task_id = world.start()
        world.tasks.fail(task_id, "broken")
        world.sender.schedule(task_id)
        world.sender.step()
        said = json.loads(world.post.sent[0].body)["data"]
        assert (said["status"], said["result"]) == ("failed", None)


def test_a_task_without_feedback_has_no_delivery():
    with World() as world:
        task_id = world.start(url=None)
        world.finish(task_id)
        assert world.row(task_id) is None
        assert not world.sender.step()


def test_a_refused_delivery_is_repeated_after_longer_and_longer_delays_and_then_given_up(caplog):
    with World(ConnectError("refused"), 404, 301, 500) as world, caplog.at_level(logging.INFO, "altcraft.sandbox"):
        task_id = world.start()
        world.finish(task_id)
        dues = []
        for _ in range(ATTEMPTS):
            due = world.deliveries.due(task_id)
            assert due is not None
            dues.append(due - world.now)
            world.now = due
            assert world.sender.step()
        assert dues == [0, 1, 2, 4, 8, 16]
        assert world.row(task_id) == ("given up", ATTEMPTS, "answered with 500")
        assert not world.sender.step()
    lines = [record.getMessage() for record in caplog.records if record.name == "altcraft.sandbox.feedback"]
    assert len(lines) == ATTEMPTS
    assert all(task_id in line and "http://127.0.0.1:9" in line for line in lines)
    assert not any("token" in line for line in lines), "the log shows the receiver's path"


def test_a_later_attempt_may_succeed():
    with World(503, 503, 204) as world:
        task_id = world.start()
        world.finish(task_id)
        while world.sender.step():
            pass
        assert world.row(task_id) == ("delivered", 3, "answered with 204")


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        ("http://127.0.0.1:8080/x", True), ("http://127.1.2.3/", True), ("http://localhost/x", True),
        ("http://[::1]:80/", True), ("http://LOCALHOST:1/", True),
        ("http://10.0.0.1/", False), ("http://169.254.169.254/latest", False), ("http://example.com/", False),
        ("http://127.0.0.1.example.com/", False), ("http://localhost.example.com/", False),
        ("http://localhost@example.com/", False), ("http://0x7f.0.0.1/", False), ("http://127.0.0.256/", False),
        ("http://[::ffff:10.0.0.1]/", False), ("http://0.0.0.0/", False), ("http://2130706433/", False),
    ],
)  # fmt: skip
def test_deliveries_go_only_to_addresses_of_this_machine(url, inside):
    assert is_loopback(url) is inside
    with World() as world:
        task_id = world.start(url=url)
        world.finish(task_id)
        assert world.sender.step() is inside
        assert [request.url for request in world.post.sent] == [url] * inside
        assert world.row(task_id)[0] == ("delivered" if inside else "withheld")


def test_feedback_anywhere_allows_other_machines():
    with World(anywhere=True) as world:
        world.finish(world.start(url="http://example.com/x"))
        assert world.sender.step()
        assert len(world.post.sent) == 1


# Crashes.


def test_a_pending_delivery_is_stored_with_the_tasks_end_and_made_by_the_next_process(tmp_path):
    file = str(tmp_path / "sandbox.sqlite3")
    seen = threading.Event()
    with receiving(seen) as url:
        with World(file=file) as world:
            task_id = world.start(url)
            while world.tasks.advance(task_id).outcome == "more":
                pass  # here the process dies, before the delivery is scheduled
        assert not seen.is_set()
        with Sandbox(db=file):
            assert seen.wait(10)


def test_a_claim_excludes_other_processes_until_it_expires(tmp_path):
    file = str(tmp_path / "sandbox.sqlite3")
    with World(file=file) as one, World(file=file) as other:
        task_id = one.start()
        one.finish(task_id)
        assert one.deliveries.claim(task_id) is not None  # here the process dies
        assert other.deliveries.claim(task_id) is None
        other.now += LEASE + 1
        delivery = other.deliveries.claim(task_id)
        assert delivery is not None
        assert delivery.attempt == 2
        other.deliveries.record(delivery, "answered with 200", accepted=True)
        one.now += 2 * LEASE
        assert one.deliveries.claim(task_id) is None


def test_a_file_from_before_there_were_deliveries_gets_the_table(tmp_path):
    file = str(tmp_path / "sandbox.sqlite3")
    Sandbox(db=file, worker=False).close()
    with sqlite3.connect(file) as rows:
        rows.execute("DROP TABLE deliveries")
    rows.close()
    with World(file=file) as world:
        world.finish(world.start())
        assert world.sender.step()


# Faults on request.


def test_a_late_delivery_is_due_after_the_delay():
    with World(fault="late") as world:
        task_id = world.start()
        world.finish(task_id)
        assert world.deliveries.due(task_id) == world.now + 3.0


def test_never_makes_no_delivery():
    with World(fault="never") as world:
        task_id = world.start()
        world.finish(task_id)
        assert not world.sender.step()
        assert world.row(task_id) == ("withheld", 0, "withheld by feedback=never")


def test_twice_delivers_twice():
    with World(fault="twice") as world:
        world.finish(world.start())
        world.sender.step()
        first, second = world.post.sent
        assert first == second


def test_early_delivers_before_the_task_ends():
    with World(fault="early") as world:
        task_id = world.start()
        assert world.deliveries.due(task_id) == world.now + 1.0  # half of its two seconds
        world.tasks.advance(task_id)
        world.sender.schedule(task_id)
        world.sender.step()
        assert json.loads(world.post.sent[0].body)["data"]["status"] == "running"
        world.finish(task_id)
        assert not world.sender.step()


def test_a_delivery_can_have_a_wrong_path_or_a_wrong_body():
    with World(404, fault="wrong-path") as world:
        world.finish(world.start())
        world.sender.step()
        (request,) = world.post.sent
        assert request.url.startswith("http://127.0.0.1:9/hooks/")
        assert request.url != URL
    with World(fault="wrong-body") as world:
        world.finish(world.start())
        world.sender.step()
        with pytest.raises(ValueError, match="char"):
            json.loads(world.post.sent[0].body)


def test_the_rates_hold_and_a_task_keeps_its_fault():
    faults = DeliveryFaults("never:0.2, twice:0.1")
    chosen = [faults.of(f"task {n}") for n in range(10_000)]
    assert chosen.count("never") == pytest.approx(2000, abs=150)
    assert chosen.count("twice") == pytest.approx(1000, abs=120)
    assert chosen.count(None) == pytest.approx(7000, abs=200)
    assert chosen == [faults.of(f"task {n}") for n in range(10_000)]
    assert [DeliveryFaults(kind).of("any") for kind in KINDS] == list(KINDS)
    assert DeliveryFaults().of("any") is None


@pytest.mark.parametrize(
    "query",
    [
        "feedback=lost",
        "feedback=late:2",
        "feedback=late:x",
        "feedback=late:-1",
        "feedback=late,never",
        "feedback=late:0.6,never:0.6",
        "feedback_delay=-1",
        "feedback_delay=x",
        "feedback_delay=inf",
        "feedback_anywhere=yes",
        "pace=5..1",
        "pace=1..",
        "pace=..",
        "pace=1..inf",
    ],
)
def test_invalid_settings_are_refused(query):
    with pytest.raises(ValueError, match=r"feedback|pace"):
        parse_url(f"sandbox:?{query}")


def test_settings_come_from_the_url():
    settings = parse_url(
        "sandbox:?pace=0.5..5&feedback=late:0.5,never&feedback_delay=7".replace(",never", ",never:0.5")
    )
    assert settings.pace == (0.5, 5.0)
    assert (settings.feedback, settings.feedback_delay) == ("late:0.5,never:0.5", 7.0)


def test_a_range_of_paces_gives_each_task_its_own_time():
    lengths = [pace_of((0.5, 5.0), f"task {n}") for n in range(1000)]
    assert 0.5 <= min(lengths) < 0.6
    assert 4.9 < max(lengths) <= 5.0
    assert sum(lengths) / 1000 == pytest.approx(2.75, abs=0.15)
    assert pace_of((0.5, 5.0), "task 1") == lengths[1]


# The whole sandbox, over sockets.


@contextmanager
def receiving(seen, hold=None, code=200):
    """The URL of a receiver. A delivery sets `seen`, and is answered once `hold` is set."""

    def app(environ, start_response):
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        seen.set()
        if hold is not None:
            hold.wait(30)
        start_response(f"{code} .", [("Content-Length", "0")])
        return [b""]

    from altcraft_plugins.sandbox.server import bind

    server = bind(app)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"{server.url}/hooks/token"
    finally:
        if hold is not None:
            hold.set()
        server.close()
        thread.join(10)


def senders():
    return [thread for thread in threading.enumerate() if thread.name == "altcraft-sandbox-feedback"]


def test_a_delivery_is_sent_when_a_task_has_ended_and_no_thread_runs_before_or_after():
    seen = threading.Event()
    with receiving(seen) as url, Sandbox(pace=0) as app:
        assert senders() == []
        start(app, "databases/refresh_counters", id=5, resource_id=24, feedback={"url": url, "type": "json"})
        assert seen.wait(10)
        patience = time.monotonic() + 10
        while senders():
            assert time.monotonic() < patience


def test_slow_receivers_delay_neither_tasks_nor_close():
    seen, hold = threading.Event(), threading.Event()
    with receiving(seen, hold) as url:
        app = Sandbox(pace=0)
        for _ in range(10):
            feedback = {"url": url, "type": "XML"}
            task_id = start(app, "databases/refresh_counters", id=5, resource_id=24, feedback=feedback)
        assert seen.wait(10)
        patience = time.monotonic() + 10
        while status(app, task_id)["status"] != "completed":
            assert time.monotonic() < patience
        assert 1 <= len(senders()) <= 4
        began = time.monotonic()
        app.close()
        assert time.monotonic() - began < 3
        assert senders() == []


def test_without_a_worker_deliver_makes_one_delivery():
    seen = threading.Event()
    with receiving(seen) as url, Sandbox(worker=False) as app:
        start(app, "resources/refresh_counters", id=24, list_id=5, feedback={"url": url})
        finish(app)
        assert not seen.is_set()
        assert app.deliver()
        assert seen.is_set()
        assert not app.deliver()


def test_segments_have_no_feedback(app):
    feedback = {"url": URL}
    post(app, "segments/refresh_counters", {"id": 7, "resource_id": 24, "db_id": 1, "feedback": feedback})
    finish(app)
    assert not app.deliver()


def test_a_served_sandbox_without_deliveries_reports_nothing(capfd):
    with served():
        pass
    assert capfd.readouterr().err == ""
