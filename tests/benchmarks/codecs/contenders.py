"""Everything that is measured, by name: a function, and its argument."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Any, NamedTuple

from altcraft.codecs import default_registry
from altcraft.codecs.xml import XmlCodec
from altcraft.exchange import Exchange
from altcraft.schema import DatabasesRefreshCounters, DatabaseStatistics
from altcraft.wire.messages import HttpResponse
from altcraft.wire.secret import Secret

from . import peers_json, peers_xml
from .documents import document
from .peers_xml import envelope_type, started_type

__all__ = ["ENCODED", "Contender", "contenders", "given_to", "prepare"]

ENCODED = ("request", "small", "large")
WARM = 200  # times that a codec reads a document before it is measured, so that it has learnt what it learns


class Contender(NamedTuple):
    """One way to read ("decode") or write ("encode") a document of one size."""

    task: str
    format: str
    size: str
    name: str
    ours: bool = False

    @property
    def key(self) -> str:
        """All four words in one line."""
        return "/".join((self.task, self.format, self.size, self.name))


def contenders(task: str, size: str) -> list[Contender]:
    """All contenders for a task and size, ours first."""
    formats = {"xml": peers_xml, "json": peers_json}
    found: list[Contender] = []
    for format_, peers in formats.items():
        table = peers.DECODERS if task == "decode" else peers.ENCODERS
        found += [Contender(task, format_, size, name, True) for name in _OURS[task, format_]]
        found += [Contender(task, format_, size, name) for name in table]
    return found


def prepare(key: str) -> tuple[Callable[[Any], Any], Any]:
    """The function, warmed up, and its argument. ImportError where its library is not installed.

    AssertionError where the function does not read all that the document says.
    """
    task, format_, size, name = key.split("/")
    make = _OURS[task, format_].get(name)
    if make is None:
        peers = peers_xml if format_ == "xml" else peers_json
        make = (peers.DECODERS if task == "decode" else peers.ENCODERS)[name]
    run, given = make(size), given_to(key)
    if task == "decode":
        _verify(run(given), size, name)
    for _ in range(1 if size == "large" else WARM):
        run(given)
    return run, given


def given_to(key: str) -> Any:
    """The argument of a contender's function."""
    task, format_, size, name = key.split("/")
    if task == "encode":
        return value(size)
    data = document(size, _VARIANTS.get(name, format_))
    is_exchange = name.startswith("altcraft") and format_ == "json"
    return HttpResponse(200, {"Content-Type": "application/json"}, data) if is_exchange else data


def value(size: str) -> Any:
    """The value to write: a request, the small reply or the large one."""
    if size == "request":
        return DatabasesRefreshCounters(5, 24, token="abcdefghijklmnqrstuvwxyz", format="xml")
    return default_registry().by_name("json").decode(document(size, "json"), envelope_type())


def _kind(size: str) -> Any:
    return started_type() if size == "task_id" else envelope_type()


def _xml_decoder(size: str) -> Callable[[Any], Any]:
    codec, kind = default_registry().by_name("xml"), _kind(size)
    plain = document(size, "xml")
    for _ in range(2 if size == "large" else WARM):  # the codec learns from the platform's usual documents
        codec.decode(plain, kind)
    return lambda data: codec.decode(data, kind)


def _json_exchange(size: str) -> Callable[[Any], Any]:
    codecs, kind = default_registry(), _kind(size)
    exchange = Exchange("https://x.example/api/v1.1", "x.example", Secret("a-token"), codecs.by_name("json"), codecs)
    return partial(exchange.read, "tasks/status", kind)


def _encoder(format_: str) -> Callable[[str], Callable[[Any], Any]]:
    return lambda size: default_registry().by_name(format_).encode


def _general_reader(size: str) -> Callable[[Any], Any]:
    codec, kind = XmlCodec(fast_path=False), _kind(size)
    return lambda data: codec.decode(data, kind)


_VARIANTS = {"altcraft, a comment": "xml, comment", "altcraft, a comment at its end": "xml, late comment"}
_OURS: dict[tuple[str, str], dict[str, Callable[[str], Callable[[Any], Any]]]] = {
    ("decode", "xml"): {
        "altcraft": _xml_decoder,
        "altcraft, general reader": _general_reader,
        **dict.fromkeys(_VARIANTS, _xml_decoder),
    },
    ("decode", "json"): {"altcraft JSON, envelope and errors": _json_exchange},
    ("encode", "xml"): {"altcraft": _encoder("xml")},
    ("encode", "json"): {"altcraft JSON": _encoder("json")},
}


def _verify(read: Any, size: str, name: str) -> None:
    if name.endswith(("tree only", "no handlers")):
        return
    assert read.error == 0
    if size == "task_id":
        assert read.data.task_id == "6908adeb-346e-4f5e-9f68-df062bf795cf", read
        return
    last: DatabaseStatistics = read.data.result[-1]
    assert len(read.data.result) == (1000 if size == "large" else 1)
    assert (read.data.progress, last.resource_id, last.in_progress) == (100, 24, False)
    assert last.total_count == (1999 if size == "large" else 1336)
    assert [channel.channel for channel in last.channels] == ["email", "push", "sms"]
    counters = last.channels[0].status
    get = counters.get if hasattr(counters, "get") else lambda counter: getattr(counters, counter)
    assert (get("hardbounced"), get("subscribed")) == (411, 925)
    moment: Any = last.updated
    moment = moment.to_datetime() if hasattr(moment, "to_datetime") else moment
    assert moment == datetime(2024, 4, 17, 21, 36, 1, 449_000, tzinfo=timezone.utc)
