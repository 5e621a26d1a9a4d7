"""Celery's jobs in a worker's thread, with a broker and results in memory."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from datetime import datetime, timezone

import celery
import pytest
from celery.contrib.testing.worker import start_worker

from altcraft import Client, ConnectionLost, HttpRequest, NotFound, TaskFailed, TaskStatus, rows
from altcraft_plugins.celery import (
    Intent,
    IntentsInMemory,
    IntentsInRedis,
    Jobs,
    ShortVisibilityWarning,
    SubmissionInDoubt,
    install,
    redis_settings,
)
from altcraft_plugins.sandbox import SandboxServer, serve

FIELDS = {"id": 7, "resource_id": 24, "db_id": 1}
SUBMITTED = "2026-01-02T03:04:05+00:00"


def channels_of(told):
    return [row["channel"] for row in told]


def count_of(results):
    return len(results)


class Shop:
    """An application with the jobs, a job of its own at the end of the chain, and what the brokers carried."""

    def __init__(self, url: str, intents: IntentsInMemory | None = None, **options: object) -> None:
        self.app = celery.Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
        self.app.conf.altcraft = {
            "default": {"url": url, "token_env": "SHOP_TOKEN", "polling": {"initial": 0.05}, **options}
        }
        self.app.conf.broker_transport_options = {"polling_interval": 0.02}
        self.app.conf.worker_hijack_root_logger = False
        self.intents = intents or IntentsInMemory()
        self.jobs: Jobs = install(self.app, intents=self.intents)
        self.report = self.app.task(name="shop.report", shared=False)(channels_of)
        self.count = self.app.task(name="shop.count", shared=False)(count_of)

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
        shop, level = Shop(platform.url), logging.root.level
        try:
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


class Elsewhere(Shop):
    """An application whose messages no worker takes, and a job of it that is delivered."""

    def delivered(self, key: str) -> object:
        self.app.conf.task_default_queue = "elsewhere"
        self.jobs.submit.push_request(id=key, called_directly=False, is_eager=False, retries=0)
        try:
            return self.jobs.submit.run("segments/refresh_counters", FIELDS)
        finally:
            self.jobs.submit.pop_request()


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


@pytest.mark.parametrize("make", [IntentsInMemory, lambda: IntentsInRedis(FakeRedis())])
def test_one_delivery_of_several_begins(make):
    intents = make()
    assert intents.begin("a", Intent(SUBMITTED))
    assert not intents.begin("a", Intent(SUBMITTED, "late"))
    intents.complete("a", Intent(SUBMITTED, "token"))
    assert intents.get("a") == Intent(SUBMITTED, "token")
    intents.forget("a")
    assert intents.get("a") is None


def test_a_visibility_timeout_shorter_than_a_countdown_is_warned_of(platform, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "demo")
    shop = Shop(platform.url)
    shop.app.conf.broker_url = "redis://127.0.0.1:1/0"
    shop.app.conf.broker_transport_options = {"visibility_timeout": 20}
    with pytest.warns(ShortVisibilityWarning, match="20 s is not longer than the longest countdown, 30 s"):
        shop.jobs.submit.apply(("segments/refresh_counters", FIELDS)).get()


def test_the_settings_of_the_plugin_are_not_warned_of(platform, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "demo")
    shop = Shop(platform.url)
    shop.app.conf.broker_url = "redis://127.0.0.1:1/0"
    shop.app.conf.update(redis_settings(30))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shop.jobs.submit.apply(("segments/refresh_counters", FIELDS)).get()


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
