"""Helpers of these tests: an exchange with either format, and replies to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from altcraft import AltcraftError, HttpRequest, HttpResponse, Reply
from altcraft.codecs import default_registry
from altcraft.exchange import Exchange
from altcraft.schema import Envelope, Request, TaskStarted
from altcraft.wire.secret import Auth, Secret

TOKEN = "abcdefghijklmnqrstuvwxyz"
DONE = frozenset({"completed", "success"})
PATH = "segments/refresh_counters"
JSON = {"Content-Type": "application/json"}
XML = {"Content-Type": "application/xml"}
HTML = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head></html>"
both_formats = pytest.mark.parametrize("format_", ["json", "xml"])
both_modes = pytest.mark.parametrize("auth", ["body", "bearer"])


def exchange(format_: str = "json", auth: Auth = "body", token: str | None = TOKEN) -> Exchange:
    codecs = default_registry()
    secret = Secret(token) if token is not None else None
    return Exchange("https://your.host/api/v1.1", "your.host", secret, codecs.by_name(format_), codecs, auth)


def build(request: Request[Any], format_: str = "json", auth: Auth = "body") -> HttpRequest:
    return exchange(format_, auth).build(PATH, request)


def answer(body: bytes | str, headers: Mapping[str, str] = JSON, status: int = 200) -> HttpResponse:
    return HttpResponse(status, headers, body.encode() if isinstance(body, str) else body)


def read(response: HttpResponse, reply: type[Reply] = Envelope[TaskStarted], format_: str = "json") -> Reply:
    return exchange(format_).read(PATH, reply, response)


def refused(response: HttpResponse, kind: type[AltcraftError], format_: str = "json") -> Any:
    """The error that reading such a response ends with; it knows where it happened, and no token."""
    with pytest.raises(kind) as caught:
        read(response, format_=format_)
    error = caught.value
    assert type(error) is kind
    assert (error.operation, error.host) == (PATH, "your.host")
    assert TOKEN not in str(error) + repr(error) + repr(error.__cause__)
    return error
