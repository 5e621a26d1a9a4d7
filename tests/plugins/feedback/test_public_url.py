"""The URL that a receiver hands out is one that the platform can call."""

from __future__ import annotations

import socket

import pytest

from altcraft_plugins.feedback import FeedbackReceiver
from altcraft_plugins.feedback.server import listening

UNSPECIFIED = ["0.0.0.0", "0", "0x0", "0.0", "[::]", "[::0]", "[0:0:0:0:0:0:0:0]", "[::ffff:0.0.0.0]", "[::%1]"]


@pytest.mark.parametrize("host", UNSPECIFIED)
def test_a_receiver_refuses_an_address_that_nothing_can_call(host):
    for base_url in (f"http://{host}:8081", f"https://{host}/altcraft"):
        with pytest.raises(ValueError, match=r"base_url=.*every address of a machine"):
            FeedbackReceiver(base_url)


@pytest.mark.parametrize(
    "host", ["me.example", "127.0.0.1", "[::1]", "10.0.0.0", "0.0.0.1", "[fe80::1%eth0]", "0.example"]
)
def test_every_other_host_is_taken(host):
    assert FeedbackReceiver(f"http://{host}:8081/a/").feedback().url.startswith(f"http://{host}:8081/a/")


@pytest.mark.parametrize(
    "base_url",
    [
        "me.example/feedback", "ftp://me.example", "https://", "https:///path", "https://me.example/?a=b", "http://me/#a",
        "http://me.example:0/", "http://me.example:65536/", "http://me.example:port/", "http://[::1", "http://me\n.example",
        " http://me.example", "http://me.example/a b", "http://me.example/\x00", "", b"http://me.example", None, 7,
    ],
)  # fmt: skip
def test_what_is_no_url_for_the_platform_is_refused_by_name(base_url):
    with pytest.raises(ValueError, match=r"base_url=.*at which the platform reaches the receiver"):
        FeedbackReceiver(base_url)


@pytest.mark.parametrize("host", ["0.0.0.0", "0", *(["::"] if socket.has_ipv6 else [])])
def test_listening_on_every_address_asks_for_the_url_at_which_the_platform_calls(host):
    with pytest.raises(ValueError, match=rf"host='{host}'.*url=.*--public-url"), listening(host):
        pass
    with listening(host, url="https://me.example/hooks") as receiver:
        assert receiver.feedback().url.startswith("https://me.example/hooks/")
