"""Celery's jobs in a worker's thread, with a broker and results in memory."""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import celery
import pytest
from celery.contrib.testing.worker import start_worker
from celery.signals import worker_init

from altcraft import Client, ConnectionLost, HttpRequest, NotFound, TaskFailed, TaskStatus, rows
from altcraft_plugins.celery import (
    Intent,
    IntentsError,
    IntentsInMemory,
    IntentsInRedis,
    IntentsInSqlite,
    Jobs,
    ShortVisibilityWarning,
    SubmissionInDoubt,
    install,
    redis_settings,
)
from altcraft_plugins.feedback import FeedbackReceiver
from altcraft_plugins.feedback.server import listening
from altcraft_plugins.sandbox import SandboxServer, serve

pytestmark = pytest.mark.slow  # a worker takes a second for a job that is retried, and four to stop

FIELDS = {"id": 7, "resource_id": 24, "db_id": 1}
SUBMITTED = "2026-01-02T03:04:05+00:00"


def channels_of(told):
    return [row["channel"] for row in told]


def count_of(results):
    return len(results)


class Shop:
    """An application with the jobs, a job of its own at the end of the chain, and what the brokers carried."""

    def __init__(
        self,
        url: str,
        intents: IntentsInMemory | None = None,
        receiver: FeedbackReceiver | None = None,
        **options: object,
    ) -> None:
        self.app = celery.Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
        self.app.conf.altcraft = {
            "default": {"url": url, "token_env": "SHOP_TOKEN", "polling": {"initial": 0.05}, **options}
        }
        self.app.conf.broker_transport_options = {"polling_interval": 0.02}
        self.app.conf.worker_hijack_root_logger = False
        self.intents = intents or IntentsInMemory()
        self.jobs: Jobs = install(self.app, intents=self.intents, receiver=receiver)
        # The tasks of docs/how-to/celery.md are in every application of the process, by other names than these.
        self.report = self.app.task(name="tests.report", shared=False)(channels_of)
        self.count = self.app.task(name="tests.count", shared=False)(count_of)

    def named(self, connection: str, **options: object) -> None:
        """Another connection to the same platform."""
        self.app.conf.altcraft[connection] = {**self.app.conf.altcraft["default"], **options}

    def chain(self, operation: str = "segments/refresh_counters", **fields: object) -> celery.canvas._chain:
        return celery.chain(self.jobs.submit.s(operation, {**FIELDS, **fields}), self.jobs.follow.s(), self.report.s())


@pytest.fixture(scope="module")
def platform() -> Iterator[SandboxServer]:
    with serve(port=0, profiles=100, pace=0.1, tokens=["demo"]) as served:
        yield served


@pytest.fixture(scope="module")
def shop(platform: SandboxServer) -> Iterator[Shop]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOP_TOKEN", "demo")
        level = logging.root.level
        try:
            with listening() as receiver:
                shop = Shop(platform.url, receiver=receiver)
                with start_worker(shop.app, pool="solo", perform_ping_check=False, loglevel="CRITICAL"):
                    yield shop
        finally:
            logging.root.setLevel(level)  # Celery has set it, for all loggers of this process


@pytest.mark.leaves_threads
def test_a_chain_submits_follows_and_hands_the_rows_to_the_next_job(shop, platform):
    with Client(platform.url, "demo") as client:
        task = client.segments.refresh_counters(7, resource_id=24, db_id=1)
        counted = [row["channel"] for row in rows(task.result(timeout=20), task)]
    assert shop.chain()().get(timeout=20) == counted


@pytest.mark.leaves_threads
def test_a_chord_waits_for_the_jobs_that_follow(shop):
    header = [celery.chain(shop.jobs.submit.s("segments/refresh_counters", FIELDS), shop.jobs.follow.s())] * 3
    assert celery.chord(header, shop.count.s())().get(timeout=20) == 3


@pytest.mark.leaves_threads
def test_a_refused_submission_is_the_error_of_its_job(shop):
    job = shop.jobs.submit.delay("segments/refresh_counters", {**FIELDS, "id": 99999})
    with pytest.raises(NotFound, match="no such segment: 99999"):
        job.get(timeout=20)


@pytest.mark.leaves_threads
def test_a_method_that_starts_no_task_is_refused(shop):
    job = shop.jobs.submit.delay("segments/get_counters", FIELDS)
    with pytest.raises(LookupError, match="starts no task"):
        job.get(timeout=20)


@pytest.mark.leaves_threads
def test_a_task_that_the_platform_does_not_know_is_the_error_of_its_job(shop):
    with pytest.raises(NotFound):
        shop.jobs.follow.delay("00000000-0000-4000-8000-000000000000").get(timeout=20)


@pytest.mark.leaves_threads
def test_a_second_delivery_after_the_answer_gets_the_token_and_submits_nothing(shop, platform):
    before = platform.sandbox.submissions().total()
    first = shop.jobs.submit.apply_async(("segments/refresh_counters", FIELDS), task_id="job-1").get(timeout=20)
    kept = shop.intents.get("job-1")
    assert kept is not None
    shop.app.backend.forget("job-1")
    again = shop.jobs.submit.apply_async(("segments/refresh_counters", FIELDS), task_id="job-1").get(timeout=20)
    assert again == first == kept.resume_token
    assert platform.sandbox.submissions().total() == before + 1


@pytest.mark.leaves_threads
def test_a_second_delivery_without_a_token_is_in_doubt_and_submits_nothing(shop, platform):
    before = platform.sandbox.submissions().total()
    shop.intents.begin("job-2", Intent(SUBMITTED))
    job = shop.jobs.submit.apply_async(("segments/refresh_counters", FIELDS), task_id="job-2")
    with pytest.raises(SubmissionInDoubt, match=f"job-2 sent its submission at {SUBMITTED[:19]}"):
        job.get(timeout=20)
    assert platform.sandbox.submissions().total() == before


@contextlib.contextmanager
def delivered(task, key: str, **message: object) -> Iterator[Callable[..., object]]:
    """The function of a task, as a worker calls it for a message of that job."""
    task.push_request(**{"id": key, "called_directly": False, "is_eager": False, "retries": 0, **message})
    try:
        yield task.run
    finally:
        task.pop_request()


class Elsewhere(Shop):
    """An application whose messages no worker takes."""

    def delivered(self, key: str) -> object:
        self.app.conf.task_default_queue = "elsewhere"
        with delivered(self.jobs.submit, key) as submit:
            return submit("segments/refresh_counters", FIELDS)


def test_a_second_delivery_waits_for_the_first_which_is_still_sending(platform, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "demo")
    before = platform.sandbox.submissions().total()
    shop = Elsewhere(platform.url)
    shop.intents.begin("job-5", Intent(datetime.now(timezone.utc).isoformat()))
    with pytest.raises(celery.exceptions.Retry) as retried:
        shop.delivered("job-5")
    assert 0 < retried.value.when <= 10
    assert retried.value.sig.kwargs["fields"] == FIELDS
    shop.intents.complete("job-5", Intent(SUBMITTED, "token"))
    assert shop.delivered("job-5") == "token"
    assert platform.sandbox.submissions().total() == before


def test_a_second_delivery_submits_when_the_first_was_refused_meanwhile(platform, monkeypatch):
    class Refused(IntentsInMemory):
        """Another delivery's intent is there once, and then forgotten."""

        busy = True

        def begin(self, key: str, intent: Intent) -> bool:
            busy, self.busy = self.busy, False
            return not busy and super().begin(key, intent)

    monkeypatch.setenv("SHOP_TOKEN", "demo")
    before = platform.sandbox.submissions().total()
    assert Elsewhere(platform.url, intents=Refused()).delivered("job-6")
    assert platform.sandbox.submissions().total() == before + 1


@pytest.mark.leaves_threads
def test_a_refused_submission_may_be_made_again(shop):
    job = shop.jobs.submit.apply_async(("segments/refresh_counters", {**FIELDS, "id": 99999}), task_id="job-3")
    with pytest.raises(NotFound):
        job.get(timeout=20)
    assert shop.intents.get("job-3") is None


class LosesAnswers:
    """A transport on which each request arrives and each answer is lost."""

    def send(self, request: HttpRequest, *, timeout: float) -> object:
        raise ConnectionLost("the answer was lost")

    def sleep(self, seconds: float) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_lost_answer_leaves_the_intent_in_doubt(monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "demo")
    shop = Shop("https://platform.example", transport=LosesAnswers())
    with pytest.raises(ConnectionLost):
        shop.jobs.submit.apply(("segments/refresh_counters", FIELDS), task_id="job-4").get()
    with pytest.raises(SubmissionInDoubt):
        shop.jobs.submit.apply(("segments/refresh_counters", FIELDS), task_id="job-4").get()


def test_an_eager_application_follows_within_the_call(platform, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "demo")
    shop = Shop(platform.url)
    shop.app.conf.task_always_eager = True
    assert shop.chain()().get() != []


def test_no_message_holds_the_token_of_the_platform(platform, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "demo")
    shop = Shop(platform.url)
    assert "demo" not in json.dumps(shop.chain())
    assert "demo" not in shop.jobs.submit.apply(("segments/refresh_counters", FIELDS)).get()


@pytest.mark.parametrize(
    ("connection", "said"), [("other", "no connection 'other'.*default"), ("default", "SHOP_TOKEN, which is not set")]
)
def test_a_connection_that_is_not_configured_is_named(platform, monkeypatch, connection, said):
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    shop = Shop(platform.url)
    with pytest.raises(LookupError, match=said):
        shop.jobs.submit.apply(("segments/refresh_counters", FIELDS), {"connection": connection}).get()


def test_the_error_of_a_failed_task_crosses_in_json(platform):
    app = Shop(platform.url).app
    sent = json.loads(app.backend.encode(app.backend.prepare_exception(TaskFailed(TaskStatus("failed")), "json")))
    error = app.backend.exception_to_python(app.backend.decode(json.dumps(sent)))
    assert isinstance(error, TaskFailed)
    assert error.status.status == "failed"


class FakeRedis:
    """Keys and values, and how long each is kept."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, int]] = {}

    def get(self, name: str) -> str | None:
        return self.kept.get(name, (None, 0))[0]

    def set(self, name: str, value: str, *, ex: int, nx: bool = False) -> bool | None:
        if nx and name in self.kept:
            return None
        self.kept[name] = value, ex
        return True

    def delete(self, name: str) -> None:
        self.kept.pop(name, None)


@pytest.fixture(params=["memory", "redis", "sqlite"])
def intents(request, tmp_path):
    if request.param == "sqlite":
        with contextlib.closing(IntentsInSqlite(tmp_path / "intents")) as kept:
            yield kept
    else:
        yield IntentsInMemory() if request.param == "memory" else IntentsInRedis(FakeRedis())


def test_one_delivery_of_several_begins(intents):
    assert intents.begin("a", Intent(SUBMITTED))
    assert not intents.begin("a", Intent(SUBMITTED, "late"))
    intents.complete("a", Intent(SUBMITTED, "token"))
    assert intents.get("a") == Intent(SUBMITTED, "token")
    intents.forget("a")
    assert intents.get("a") is None


def test_processes_share_a_file_of_intents(tmp_path):
    ours, theirs = IntentsInSqlite(tmp_path / "intents"), IntentsInSqlite(tmp_path / "intents")
    with contextlib.closing(ours), contextlib.closing(theirs):
        assert ours.begin("a", Intent(SUBMITTED))
        assert not theirs.begin("a", Intent(SUBMITTED))
        assert theirs.get("a") == Intent(SUBMITTED)


def test_a_file_keeps_an_intent_as_long_as_it_is_told(tmp_path):
    with contextlib.closing(IntentsInSqlite(tmp_path / "intents", keep=-1)) as intents:
        assert intents.begin("a", Intent(SUBMITTED))
        assert intents.begin("b", Intent(SUBMITTED))
        assert intents.get("a") is None


def test_a_file_that_is_no_file_of_intents_is_refused(tmp_path):
    (tmp_path / "intents").write_text("something else")
    with pytest.raises(IntentsError):
        IntentsInSqlite(tmp_path / "intents")


def test_a_worker_that_starts_warns_of_a_visibility_timeout_shorter_than_a_countdown(platform):
    shop = Shop(platform.url)
    shop.app.conf.broker_url = "redis://127.0.0.1:1/0"
    shop.app.conf.broker_transport_options = {"visibility_timeout": 20}
    with pytest.warns(ShortVisibilityWarning, match="20 s is not longer than .* 'default', 30 s"):
        worker_init.send(sender=shop)


def test_the_settings_of_the_plugin_are_not_warned_of(platform):
    shop = Shop(platform.url)
    shop.app.conf.broker_url = "redis://127.0.0.1:1/0"
    shop.app.conf.update(redis_settings(30))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        worker_init.send(sender=shop)


def test_the_settings_make_lost_messages_come_back_at_the_pace_that_they_name():
    options = redis_settings(30)["broker_transport_options"]
    assert options == {
        "visibility_timeout": 45,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 15,
    }


def test_a_request_is_checked_against_its_declaration(platform, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "demo")
    wrong = {**FIELDS, "id": "seven"}
    with pytest.raises(ValueError, match="id"):
        Shop(platform.url).jobs.submit.apply(("segments/refresh_counters", wrong)).get()


@pytest.mark.leaves_threads
def test_a_delivery_brings_the_waiting_message_forward_and_the_chain_goes_on(shop):
    never = {"initial": 600.0, "maximum": 600.0, "jitter": False, "predict": False}
    with serve(port=0, profiles=100, pace=0.5, tokens=["demo"]) as slow:
        shop.named("slow", url=slow.url, polling=never)
        submit = shop.jobs.submit.s("databases/refresh_counters", {"id": 5, "resource_id": 24}, connection="slow")
        chain = celery.chain(submit, shop.jobs.follow.s(connection="slow"), shop.report.s())()
        assert chain.get(timeout=60) == ["email", "push", "sms"]


@pytest.mark.leaves_threads
@pytest.mark.parametrize(
    ("message", "arguments"),
    [({"retries": 1}, {}), ({"delivery_info": {"redelivered": True}}, {}), ({}, {"hinted": True})],
    ids=["one that waited", "one that came back", "one that a delivery sent"],
)
def test_a_second_message_of_a_job_that_has_ended_does_nothing(shop, message, arguments):
    token = shop.jobs.submit.delay("segments/refresh_counters", FIELDS).get(timeout=20)
    job = shop.jobs.follow.delay(token)
    job.get(timeout=20)
    with delivered(shop.jobs.follow, job.id, **message) as follow, pytest.raises(celery.exceptions.Ignore):
        follow(token, **arguments)


@pytest.mark.leaves_threads
def test_a_job_that_has_ended_may_be_sent_again(shop):
    token = shop.jobs.submit.delay("segments/refresh_counters", FIELDS).get(timeout=20)
    told = shop.jobs.follow.apply_async((token,), task_id="again").get(timeout=20)
    with delivered(shop.jobs.follow, "again") as follow:
        assert follow(token) == told


@pytest.mark.leaves_threads
def test_a_delivery_that_comes_too_early_leaves_the_waiting_message_alone(shop):
    with serve(port=0, profiles=100, pace=3600, tokens=["demo"]) as stuck, Client(stuck.url, "demo") as client:
        shop.named("stuck", url=stuck.url)
        token = client.segments.refresh_counters(7, resource_id=24, db_id=1).resume_token
        with delivered(shop.jobs.follow, "early") as follow, pytest.raises(celery.exceptions.Ignore):
            follow(token, connection="stuck", hinted=True)


def test_feedback_needs_a_backend_that_keeps_keys_and_values(platform, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "demo")
    shop = Shop(platform.url, receiver=FeedbackReceiver("http://127.0.0.1:9/altcraft"))
    shop.app.conf.result_backend = "rpc://"
    with pytest.raises(ValueError, match="keys and values, such as Redis"):
        shop.jobs.submit.apply(("databases/refresh_counters", {"id": 5, "resource_id": 24})).get()
