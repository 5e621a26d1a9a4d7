"""What must hold for any bytes that a codec reads: the outcome is a value or a DecodeError. For tests and fuzzers.

`check` tests all that can be said of every input. It uses the public surface only.
"""

from __future__ import annotations

import enum
import math
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

from altcraft import DecodeError, EncodeError, UnsafeXml
from altcraft.codecs import Codec, default_registry
from altcraft.schema import (
    ChannelStatistics,
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    DatabaseStatistics,
    Envelope,
    ErrorEnvelope,
    Feedback,
    Reply,
    ResourcesRefreshCounters,
    ResourceStatistics,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
    SegmentStatistics,
    TaskStarted,
    TaskStatus,
    TaskStatusRequest,
)

__all__ = ["CODECS", "LONGEST_MESSAGE", "TYPES", "Export", "check", "codec_named", "conforms", "outcome", "same"]

CODECS = ("json", "xml")
LONGEST_MESSAGE = 600
"""Most characters of an error message, so that a reply can't flood a log."""


class Kind(enum.Enum):
    """An enumeration as users declare them."""

    FULL = "full"
    PARTIAL = "partial export"


class Level(enum.IntEnum):
    """An enumeration with numbers as values."""

    LOW = 1
    HIGH = 10


class Part(Struct):
    """A nested struct."""

    url: str
    size: int | None = None
    sums: list[str] = []


class Export(Struct, kw_only=True):
    """The result of an operation that a user declares, with every kind of field that both formats can express."""

    id: UUID
    kind: Kind
    level: Level = Level.LOW
    ready: bool
    ratio: float
    price: Decimal | None = None
    since: datetime | None = None
    parts: list[Part]
    sizes: list[int] = []
    by_name: dict[str, Part] = {}
    counts: dict[str, int | None] = {}
    lists: dict[str, list[int]] = {}
    parent: Export | None = None
    either: int | bool | None = None
    tags: set[int] = msgspec.field(default_factory=set)
    spelled: str | UnsetType = msgspec.field(name="spelled-out", default=UNSET)


class Listing(Reply, kw_only=True):
    """A reply that puts keys beside `data`, as some methods do."""

    data: list[Part] = msgspec.field(default_factory=list)
    next_from_id: int | None = None
    total_count: int = 0


TYPES: tuple[type, ...] = (
    Envelope[TaskStarted],
    Envelope[TaskStatus[list[SegmentStatistics]]],
    Envelope[TaskStatus[list[DatabaseStatistics]]],
    Envelope[TaskStatus[list[ResourceStatistics]]],
    Envelope[list[ChannelStatistics]],
    Envelope[TaskStatus[Export]],
    Envelope[TaskStatus[object]],
    ErrorEnvelope,
    Listing,
    Export,
    Feedback,
    SegmentsRefreshCounters,
    DatabasesRefreshCounters,
    ResourcesRefreshCounters,
    SegmentsGetCounters,
    DatabasesGetCounters,
    TaskStatusRequest,
    object,
)
"""All types that a client reads, with structs that users declare, and `object` for no type at all."""


def codec_named(name: str) -> Codec:
    """A new codec of that name."""
    return default_registry().by_name(name)


def outcome(codec: Codec, data: bytes, type_: type) -> object:
    """The value, or the DecodeError. Any other exception goes through, and fails the test."""
    try:
        return codec.decode(data, type_)
    except DecodeError as error:
        refusal = error
    said = str(refusal)
    assert len(said) <= LONGEST_MESSAGE, f"a message of {len(said)} characters: {said[:200]}…"
    return refusal


def check(codec: Codec, data: bytes, type_: type) -> object:
    """The outcome. AssertionError where it breaks a promise.

    A value has the declared type throughout, and survives a round trip. An XML document reads the same with a comment
    at its end, which the fast path does not read.
    """
    result = outcome(codec, data, type_)
    if codec.name == "xml":
        _check_commented(codec, data, type_, result)
    if isinstance(result, DecodeError):
        return result
    assert conforms(result, type_), f"{data!r} gave {result!r}, which is no {type_}"
    try:
        written = codec.encode(result)
    except EncodeError:
        # XML has names and mixed content for which the platform's way of writing has no form.
        assert codec.name == "xml", f"{result!r} was read, and can't be written"
        return result
    if codec.name == "xml" and type_ in (object, Envelope[TaskStatus[object]]):
        return result  # without a type, an array of one can't be told from its item
    again: object = codec.decode(written, type_)
    assert same(_plain(result), _plain(again)), f"{data!r} gave {result!r}, written {written!r}, then {again!r}"
    return result


def _check_commented(codec: Codec, data: bytes, type_: type, result: object) -> None:
    if b"\0" in data or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return  # in UTF-16 these bytes are no comment
    commented = outcome(codec, data + b"<!---->", type_)
    if isinstance(result, DecodeError):
        assert isinstance(commented, DecodeError), f"{data!r} is refused ({result}); read with a comment: {commented!r}"
        assert isinstance(result, UnsafeXml) == isinstance(commented, UnsafeXml), f"{data!r}: {result}; {commented}"
    else:
        assert same(result, commented), f"{data!r} gave {result!r}; with a comment {commented!r}"


def conforms(value: object, type_: type) -> bool:
    """Whether a value and all its parts are of a type, by msgspec's strict rules."""
    try:
        return same(msgspec.convert(msgspec.to_builtins(value), type_), value) if type_ is not object else True
    except msgspec.ValidationError:
        return False


def same(one: object, other: object) -> bool:
    """Equality, in which NaN equals NaN."""
    return one == other or repr(one) == repr(other)


def _plain(value: object) -> object:
    """A value without None, "", empty arrays and mappings, which XML can't tell apart. Whole floats become ints."""
    return _without_empty(msgspec.to_builtins(value, order="deterministic"))  # sets in a fixed order


def _without_empty(value: object) -> object:
    if isinstance(value, dict):
        items = {name: _without_empty(item) for name, item in value.items()}
        return {name: item for name, item in items.items() if item not in (None, "", [], {})}
    if isinstance(value, list):
        entries = [_without_empty(item) for item in value]
        return [] if len(entries) == 1 and entries[0] in (None, "", [], {}) else entries
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value
