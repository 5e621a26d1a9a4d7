"""The observer says how tasks end, delays none of them, and gives its URL away nowhere."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time

import pytest
from altcraft import Client, ConnectError, ConnectionLost, HttpRequest, HttpResponse, Polling
from altcraft.testing import FakeTransport

from altcraft_chat import Chat

URL = "https://chat.example/hooks/s3cret"
OK = HttpResponse(200, {}, b"ok")
FAST = Polling(initial=0.01, maximum=0.05)


def said(carrier: FakeTransport) -> list[str]:
    return [json.loads(request.body)["text"] for request in carrier.requests]


def test_it_says_that_a_task_is_done_and_that_one_has_failed() -> None:
    carrier = FakeTransport([OK], repeat=True)
    chat = Chat(URL, transport=carrier)
    with Client("sandbox:?pace=0", plugins=[chat], polling=FAST) as client:
        done = client.databases.refresh_counters(5, resource_id=24)
        done.result(timeout=60)
        failed = client.segments.refresh_counters(13, resource_id=24, db_id=1)
        failed.exception(timeout=60)
    chat.close()
    first, second = said(carrier)
    assert first == f"✅ databases/refresh_counters, task {done.id}, is done"
    assert second.startswith(f"❌ segments/refresh_counters, task {failed.id}, has failed: ")
    assert {request.url for request in carrier.requests} == {URL}


@pytest.mark.parametrize(
    ("error", "end"), [(ConnectError("x"), "ConnectError"), (ConnectionLost("x"), "; the platform may have started it")]
)
def test_it_says_when_a_submission_failed(error: Exception, end: str) -> None:
    carrier = FakeTransport([OK])
    chat = Chat(URL, transport=carrier)
    transport = FakeTransport([error], repeat=True)
    with (
        Client("https://your.host", token="t", transport=transport, plugins=[chat]) as client,
        pytest.raises(type(error)),
    ):
        client.databases.refresh_counters(5, resource_id=24)
    chat.close()
    (text,) = said(carrier)
    assert text.startswith("❌ databases/refresh_counters could not be submitted: ")
    assert text.endswith(end)


def test_a_chat_that_does_not_answer_delays_no_task() -> None:
    go_on = threading.Event()

    def hang(_: HttpRequest) -> HttpResponse:
        go_on.wait(30)
        return OK

    carrier = FakeTransport([hang], repeat=True)
    chat = Chat(URL, transport=carrier)
    with Client("sandbox:?pace=0", plugins=[chat], polling=FAST) as client:
        client.databases.refresh_counters(5, resource_id=24).result(timeout=60)
    assert not go_on.is_set()
    go_on.set()
    chat.close()


def test_what_the_chat_refuses_is_logged_without_its_url(caplog: pytest.LogCaptureFixture) -> None:
    carrier = FakeTransport([HttpResponse(403, {}, b"no"), ConnectError(f"no connection to {URL}")])
    chat = Chat(URL, transport=carrier)
    with caplog.at_level(logging.WARNING):
        chat.say("one")
        chat.say("two")
        chat.close()
    assert [record.message for record in caplog.records] == [
        "the chat has refused a message with status 403",
        "a message was not posted: ConnectError",
    ]
    assert "s3cret" not in caplog.text + repr(chat)


def test_too_many_messages_are_dropped_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    go_on = threading.Event()

    def hang(_: HttpRequest) -> HttpResponse:
        go_on.wait(30)
        return OK

    chat = Chat(URL, transport=FakeTransport([hang, OK], repeat=True))
    for number in range(1100):
        chat.say(str(number))
    go_on.set()
    chat.close()
    assert "1000 messages wait for the chat already: one is dropped" in caplog.text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # the test is about just that
def test_a_forked_child_posts_its_own_messages_and_none_of_the_parents() -> None:
    go_on = threading.Event()

    def hang(_: HttpRequest) -> HttpResponse:
        go_on.wait(30)
        return OK

    carrier = FakeTransport([hang, OK], repeat=True)
    chat = Chat(URL, transport=carrier)
    for text in ("one", "two"):
        chat.say(text)
    while len(carrier.requests) < 1:
        time.sleep(0.01)
    child = os.fork()
    if child == 0:
        carrier.requests.clear()
        chat.say("from the child")
        chat.close()
        os._exit(0 if said(carrier) == ["from the child"] else 1)
    _, status = os.waitpid(child, 0)
    go_on.set()
    chat.close()
    assert os.waitstatus_to_exitcode(status) == 0
    assert said(carrier) == ["one", "two"]


def test_the_entry_point_takes_the_url_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTCRAFT_CHAT_WEBHOOK", URL)
    with Client("sandbox:", load_entry_points=True) as client:
        (plugin,) = (each for each in client.plugins() if each.name == "chat")
    assert (plugin.distribution, plugin.error) == ("altcraft-chat", None)
    assert plugin.hooks == ("altcraft_submission_failed", "altcraft_task_completed", "altcraft_task_failed")
    sys.modules.pop("altcraft_chat.plugin")


def test_without_a_url_the_client_says_why_the_plugin_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALTCRAFT_CHAT_WEBHOOK", raising=False)
    sys.modules.pop("altcraft_chat.plugin", None)
    with Client("sandbox:", load_entry_points=True) as client:
        (plugin,) = (each for each in client.plugins() if each.name == "chat")
    assert plugin.error == "LookupError: set ALTCRAFT_CHAT_WEBHOOK to the URL of the chat's webhook"
