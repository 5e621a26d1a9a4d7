"""Attacks and accidents: the server makes no error of them, a stranger learns nothing, a burst makes few polls."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import Client, Polling
from altcraft_plugins.feedback import FeedbackReceiver
from plugins.feedback.world import BASE, Platform, by_asgi, by_wsgi, environ, scope, waiting

ALLOWED = {200, 400, 404, 405, 408, 413}


class Counted(io.BytesIO):
    """A stream that counts the bytes that are read of it."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.taken = 0

    def read1(self, size: int | None = -1) -> bytes:  # type: ignore[override]
        chunk = super().read1(-1 if size is None else size)
        self.taken += len(chunk)
        return chunk


def test_a_stranger_learns_nothing(receiver):
    _, url = waiting(receiver)
    token = url.rpartition("/")[2]
    guesses = [
        "", "/", "//", "/favicon.ico", "/" + "A" * 56, "/" + token[:-1], "/" + token + "A", "/" + token[::-1],
        "/" + token[:28] + "A" * 28, "/" + token.swapcase(), "/" + token[:-1] + "é", "/%2e%2e/" + token + "/..",
        "/" + token + "\x00", "/" + "/" * 5000, "/\udcff", f"/{token}/deeper",
    ]  # fmt: skip
    answers = {
        (answer.status, tuple(answer.headers.items()), answer.body)
        for guess in guesses
        for method in ("POST", "GET", "DELETE")
        for headers in ({}, {"Content-Length": "9999999999"}, {"Content-Length": "x"})
        for answer in [receiver.deliver(guess, headers, b"", method=method)]
    }
    assert answers == {(404, (("Content-Type", "text/plain"), ("Content-Length", "0")), b"")}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "", "POST "])
def test_a_wrong_method_is_405(receiver, method):
    task, url = waiting(receiver)
    answer = receiver.deliver(url, {}, b"", method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert task.hints == 0


def test_a_body_over_the_limit_is_not_read():
    receiver = FeedbackReceiver(BASE, limit=1000)
    task, url = waiting(receiver)
    body = Counted(b"x" * 1001)
    assert receiver.deliver(url, {"content-length": "1001"}, body).status == 413
    assert body.taken == 0
    assert receiver.deliver(url, {"Content-Length": "9" * 5000}, body).status == 413
    assert by_wsgi(receiver, environ(url, stream=body, CONTENT_LENGTH="1001")).status == 413
    assert body.taken == 0
    assert task.hints == 0


def test_a_body_without_a_length_is_read_to_one_byte_over_the_limit():
    receiver = FeedbackReceiver(BASE, limit=1000)
    task, url = waiting(receiver)
    body = Counted(b"x" * 10**6)
    given = environ(url, stream=body, CONTENT_LENGTH=None, **{"wsgi.input_terminated": True})
    assert by_wsgi(receiver, given).status == 413
    assert body.taken == 1001
    assert receiver.deliver(url, {}, b"x" * 1001).status == 413
    assert task.hints == 0
    assert receiver.deliver(url, {}, b"x" * 1000).status == 200


def test_an_asgi_body_is_read_up_to_the_limit():
    receiver = FeedbackReceiver(BASE, limit=1000)
    task, url = waiting(receiver)
    answer = by_asgi(receiver, scope(url), *[b"x" * 600] * 2, stalls=True)
    assert answer is not None
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert by_asgi(receiver, scope(url, headers={"content-length": "1001"}), stalls=True).status == 413
    assert task.hints == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", b"{", b"<xml>", b"[1, 2", b"\xff\xfe", b'{"status": "failed"}', b"<!DOCTYPE x [<!ENTITY a 'a'>]>"],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/xml", "nonsense", ""])
def test_a_malformed_body_is_a_hint_like_any_other(receiver, body, content_type):
    task, url = waiting(receiver)
    assert receiver.deliver(url, {"Content-Type": content_type}, body).status == 200
    assert task.hints == 1


@pytest.mark.parametrize("length", ["x", "-1", "+5", "1_0", "٣", "1.5", "0x10", "1, 1"])
def test_a_length_that_is_no_number_is_400(receiver, length):
    _, url = waiting(receiver)
    assert receiver.deliver(url, {"Content-Length": length}, io.BytesIO(b"{}")).status == 400


def test_a_body_shorter_than_its_length_is_400(receiver):
    task, url = waiting(receiver)
    assert by_wsgi(receiver, environ(url, b"{}", CONTENT_LENGTH="10")).status == 400
    assert task.hints == 0


def test_a_sender_that_goes_away_in_the_midst_gives_no_hint(receiver):
    class Gone:
        def read(self, size: int) -> bytes:
            raise ConnectionResetError

    task, url = waiting(receiver)
    assert receiver.deliver(url, {"Content-Length": "5"}, Gone()).status == 400
    assert by_asgi(receiver, scope(url), b"{", gone=True) is None
    assert task.hints == 0


def test_a_slow_sender_is_cut_off():
    class Slow:
        def read(self, size: int) -> bytes:
            time.sleep(0.03)
            return b"x"

    receiver = FeedbackReceiver(BASE, read_timeout=0.1)
    task, url = waiting(receiver)
    began = time.monotonic()
    assert receiver.deliver(url, {"Content-Length": "1000"}, Slow()).status == 408
    assert by_wsgi(receiver, environ(url, stream=Slow(), CONTENT_LENGTH="1000")).status == 408
    answer = by_asgi(receiver, scope(url), b"{", stalls=True)
    assert answer is not None
    assert answer.status == 408
    assert time.monotonic() - began < 5
    assert task.hints == 0


@given(
    st.text() | st.binary().map(lambda raw: raw.decode("latin-1")),
    st.dictionaries(st.text(), st.text()),
    st.binary(max_size=300),
    st.text() | st.just("POST"),
    st.booleans(),
)
def test_no_request_makes_an_error_of_the_servers(path, headers, body, method, known):
    receiver = FeedbackReceiver(BASE, limit=200)
    url = receiver.feedback().url if known else path
    assert receiver.deliver(url, headers, body, method=method).status in ALLOWED
    assert receiver.deliver(url, headers, io.BytesIO(body), method=method).status in ALLOWED


@pytest.mark.slow
@pytest.mark.parametrize("spacing", [0.0, 3600.0])
def test_ten_thousand_deliveries_in_a_burst_make_one_poll_at_a_time(spacing):
    """They come from nine threads while polls are under way, and all together they earn at most one more."""
    platform, completed = Platform(poll_takes=0.05), []
    rarely = Polling(initial=3600.0, maximum=3600.0, hint_patience=3600.0, hint_checks=0)  # however slow the burst is
    with (
        Client("https://example.com", "a-token-for-tests", transport=platform, polling=rarely) as client,
        ThreadPoolExecutor(9) as pool,
    ):
        receiver = FeedbackReceiver(BASE, hooks=client.hooks, spacing=spacing)
        task = client.databases.refresh_counters(5, resource_id=24, feedback=receiver.feedback())
        task.add_done_callback(completed.append)
        waiter = pool.submit(task.result, 600)
        platform.until_polled([task.id])
        began = time.monotonic()
        burst = [pool.submit(receiver.deliver, task.feedback.url, {}, b"{}") for _ in range(10_000)]
        assert {one.result().status for one in burst} == {200}
        took = time.monotonic() - began
        platform.end(task.id)
        task.notify()
        waiter.result()
    assert platform.most_at_once == 1
    # The first poll, one for the burst, one for the end. Without a spacing, the burst makes one poll after another.
    made = took / platform.poll_takes if spacing == 0 else 0
    assert platform.polls[task.id] <= 3 + made
    assert len(completed) == 1


NO_CALLS = """
import sys
from altcraft_plugins.feedback import FeedbackReceiver

def audit(event, arguments):
    if event.startswith(("socket.", "urllib.", "http.client.", "subprocess.", "os.system", "open")):
        calls.append((event, arguments))

receiver = FeedbackReceiver("https://me.example")
address = "http://127.0.0.1:9/secret"
bodies = [
    b'{"url": "%s", "data": {"url": "%s"}}' % (address.encode(), address.encode()),
    b'<!DOCTYPE x SYSTEM "%s"><xml>&x;</xml>' % address.encode(),
]
headers = {"Content-Type": "application/json", "Location": address, "Referer": address, "Host": "127.0.0.1:9",
    "X-Forwarded-Host": "127.0.0.1:9", "Callback": address, "Link": f"<{address}>; rel=canonical"}
receiver.deliver(receiver.feedback().url, headers, bodies[0])  # imports what it needs
calls = []
sys.addaudithook(audit)
for body in bodies:
    assert receiver.deliver(receiver.feedback().url, headers, body).status == 200
    assert receiver.deliver(address, headers, body).status == 404
print(calls)
"""


def test_no_address_in_a_delivery_is_ever_called():
    done = subprocess.run([sys.executable, "-c", NO_CALLS], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_signatures_are_compared_in_constant_time(monkeypatch):
    """By hmac.compare_digest, before anything is looked up."""
    from altcraft_plugins.feedback import tokens

    compared: list[tuple[bytes, bytes]] = []
    genuine = tokens.hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return genuine(one, other)

    monkeypatch.setattr(tokens.hmac, "compare_digest", compare)
    receiver = FeedbackReceiver(BASE)
    _, url = waiting(receiver)
    compared.clear()
    receiver.deliver("/" + "A" * 56, {})
    receiver.deliver(url, {})
    assert [len(one) == len(other) == 28 for one, other in compared[:2]] == [True, True]
