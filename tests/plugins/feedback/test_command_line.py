"""`altcraft listen`, and a refresh that listens for itself."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from altcraft_plugins.feedback import FeedbackReceiver
from plugins.cli.running import COMMAND, environment, process

SECRET = "a secret that both of them have"


@contextmanager
def listener(*arguments, **variables):
    """The command as a process, with what it prints line by line."""
    running = subprocess.Popen(
        [*COMMAND, "listen", "--port", "0", *arguments],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout
        yield running
    finally:
        running.kill()
        running.communicate()


def post(url, body=b'{"x": 1}', content_type="application/json"):
    request = urllib.request.Request(url, body, {"Content-Type": content_type})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.status


def line(running):
    return running.stdout.readline().rstrip("\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_a_line_for_each_delivery_and_ends_quietly(number):
    with listener("--urls", "2") as running:
        assert re.fullmatch(r"Listening at http://127\.0\.0\.1:\d+ \(Ctrl-C stops it\)", line(running))
        first, second = line(running), line(running)
        assert first != second
        for url in (first, first, second):
            assert post(url) == 200
            key = url.rpartition("/")[2][:28]
            assert line(running) == f'delivery {key}: application/json, 8 bytes: {{"x": 1}}'
        assert post(first, b"\x1b[2J\n\xff") == 200
        assert r"6 bytes: \x1b[2J\n" in line(running)
        running.send_signal(number)
        out, err = running.communicate(timeout=20)
        assert (running.returncode, out, err) == (0, "", "")


def test_json_lines_for_machines():
    with listener("--json", "--public-url", "https://me.example/hooks") as running:
        serving, handed = json.loads(line(running)), json.loads(line(running))
        assert (serving["event"], handed["event"]) == ("serving", "feedback_url")
        assert handed["url"].startswith("https://me.example/hooks/")
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 0
    with listener("--json") as running:
        line(running)
        url = json.loads(line(running))["url"]
        post(url)
        post(url, b"\xff", "")
        told = [json.loads(line(running)) for _ in range(2)]
        assert told[0] == {
            "event": "delivery",
            "key": told[0]["key"],
            "task_id": None,
            "content_type": "application/json",
            "size": 8,
            "body": '{"x": 1}',
        }
        assert told[1]["body"] is None


def test_with_the_secret_it_takes_deliveries_for_others():
    with listener("--urls", "0", ALTCRAFT_FEEDBACK_SECRET=SECRET) as running:
        base = line(running).split()[2]
        assert post(FeedbackReceiver(base, secret=SECRET).feedback().url) == 200
        assert line(running).startswith("delivery ")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            post(FeedbackReceiver(base, secret=SECRET.upper()).feedback().url)


@pytest.mark.slow
def test_what_cannot_be_listened_on_is_one_line():
    with listener() as running:
        port = line(running).partition("127.0.0.1:")[2].split()[0]
        done = process("listen", "--port", port)
        assert (done.code, done.out) == (1, "")
        assert re.fullmatch(rf"altcraft: cannot listen on 127\.0\.0\.1:{port}: .*\n", done.err)
    done = process("listen", "--public-url", "me.example")
    assert done.code == 2
    assert "base_url='me.example'" in done.err
    assert process("listen", env={"ALTCRAFT_FEEDBACK_SECRET": "short"}).code == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [("databases", "refresh", "5", "--resource", "24"), ("resources", "refresh", "24", "--database", "5")]
)
def test_a_refresh_that_listens_polls_twice(command):
    done = process(*command, "--listen", "--json", "--url", "sandbox:?pace=0.8")
    assert (done.code, done.err) == (0, "")
    assert done.events == ["submitted", "progress", "progress", "result"]
    assert [one.get("status") for one in done.lines[1:3]] == ["queued", "completed"]


@pytest.mark.parametrize("other", [("--feedback", "http://me.example/x"), ("--no-wait",)])
def test_listening_goes_with_waiting_and_with_no_other_address(other):
    done = process("databases", "refresh", "5", "--resource", "24", "--listen", *other, "--url", "sandbox:")
    assert done.code == 2
    assert f"one of --listen and {other[0]}" in done.err


@pytest.mark.slow
def test_a_sandbox_can_be_told_to_misbehave_and_says_what_it_did(tmp_path):
    served = subprocess.Popen(
        [*COMMAND, "sandbox", "serve", "--port", "0", "--pace", "1", "--feedback", "twice"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = line(served).split()[4]
        done = process("databases", "refresh", "5", "--resource", "24", "--listen", "--url", url,
            env={"ALTCRAFT_TOKEN": "sandbox"})  # fmt: skip
        assert done.code == 0
        served.send_signal(signal.SIGTERM)
        _, err = served.communicate(timeout=20)
    finally:
        served.kill()
        served.communicate()
    first = err.splitlines()[0]
    assert re.search(
        r"feedback of task [\w-]+ to http://127\.0\.0\.1:\d+, attempt 1: answered with 200 \(twice\)", first
    )


@pytest.mark.parametrize("how", ["lost", "never:2"])
def test_a_misbehaviour_that_does_not_exist_is_misuse(how):
    done = process("sandbox", "serve", "--feedback", how)
    assert done.code == 2
    assert "feedback" in done.err
