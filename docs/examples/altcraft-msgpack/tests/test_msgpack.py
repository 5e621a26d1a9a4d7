"""The codec keeps the contract, and clients find it by its name when this distribution is installed."""

from __future__ import annotations

import pytest
from altcraft import Client, HttpResponse
from altcraft.testing import CodecContract, FakeTransport

import altcraft_msgpack
from altcraft_msgpack import FIRST_BYTES, MessagePack


class TestMessagePack(CodecContract):
    first_bytes = FIRST_BYTES

    @pytest.fixture
    def codec(self) -> MessagePack:
        return MessagePack()


def test_a_client_finds_the_installed_codec_by_its_name() -> None:
    with Client("https://your.host", token="t", codec="msgpack", transport=FakeTransport([])) as client:
        (plugin,) = client.plugins()
        assert isinstance(client.codecs.by_name("msgpack"), MessagePack)
    assert (plugin.distribution, plugin.hooks, plugin.error) == (
        "altcraft-msgpack",
        ("altcraft_register_codecs",),
        None,
    )


def test_requests_go_out_in_messagepack_and_a_reply_in_it_is_read() -> None:
    codec = MessagePack()
    body = codec.encode({"data": [{"channel": "email", "status": {"subscribed": 925}}], "error": 0})
    for content_type in ("application/msgpack", "application/octet-stream"):
        transport = FakeTransport([HttpResponse(200, {"Content-Type": content_type}, body)])
        with Client("https://your.host", codec="msgpack", transport=transport, plugins=[altcraft_msgpack]) as client:
            (email,) = client.databases.get_counters(5, resource_id=24)
        assert email.status.subscribed == 925
        (request,) = transport.requests
        assert request.headers["Content-Type"] == "application/msgpack"
        assert codec.decode(request.body, dict) == {"id": 5, "resource_id": 24, "format": "msgpack"}
