"""A type that a codec can't read is found before a document is there: `prepare` raises a TypeError that says why."""

from __future__ import annotations

import pathlib
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar

import msgspec
import pytest

from altcraft import DecodeError, SegmentStatistics, TaskStatus
from altcraft.codecs import Codec, Preparing, default_registry
from altcraft.codecs.json import JsonCodec
from altcraft.codecs.xml import XmlCodec
from altcraft.schema import ChannelStatistics, Envelope, ErrorEnvelope, TaskStarted
from hostile import TYPES

T = TypeVar("T")
both = pytest.mark.parametrize(
    "codec", [JsonCodec(), XmlCodec(), XmlCodec(fast_path=False)], ids=["json", "xml", "general"]
)


class Model:
    """A class that msgspec does not know, such as a model of another library."""

    def __init__(self, **fields: object) -> None:
        self.fields = fields


class One(msgspec.Struct):
    """One of two objects without a tag."""

    a: int


class Other(msgspec.Struct):
    """The other."""

    b: int


class Owner(msgspec.Struct):
    """A struct with a field that can't be read."""

    model: Model | None = None


class Deep(msgspec.Struct, Generic[T]):
    """A struct that holds anything, and its own kind."""

    inside: dict[str, list[T]] = {}
    parent: Deep[T] | None = None


class Row(NamedTuple):
    """A row with a field that can't be read."""

    path: pathlib.Path


class Entry(TypedDict):
    """A dict with a field that can't be read."""

    number: complex


@dataclass
class Part:
    """A dataclass with a field that can't be read."""

    model: list[Model]


class Unresolved(msgspec.Struct):
    """A struct whose annotation names nothing."""

    field: Nowhere  # type: ignore[name-defined]  # noqa: F821  # this is what the test is about


class Keyed(msgspec.Struct):
    """A struct with keys and items that can't be read."""

    by_pair: dict[tuple[int, int], str] = {}


class Bag(msgspec.Struct):
    """A struct with a set of something without a hash."""

    ones: set[One]


UNREADABLE: list[tuple[Any, str]] = [
    (Model, "Model"),
    (list[Model], "Model"),
    (dict[str, Model | None], "Model"),
    (Owner, "Owner.model"),
    (Envelope[TaskStatus[Owner]], "Owner.model"),
    (Envelope[list[Deep[Owner]]], "Owner.model"),
    (Deep[Model], "Deep.inside"),
    (Part, "Part.model"),
    (Entry, "Entry.number"),
    (Row, "Row.path"),
    (tuple[int, Model], "Model"),
    (One | Other, "One | .*Other"),
    (Envelope[list[One | Other]], "One | .*Other"),
    (Envelope[TaskStatus[One | Other]], "One | .*Other"),
    (Model | int, "Model"),
    (Unresolved, "Nowhere"),
    (Keyed, "Keyed.by_pair: the keys"),
    (dict[One, int], "keys"),
    (Envelope[Bag], "Bag.ones: the items of a set"),
    (Envelope[frozenset[dict[str, int]]], "items of a set"),
    (Envelope[set[list[int]]], "items of a set"),
    (Envelope[msgspec.msgpack.Ext], "Ext"),
]


@both
@pytest.mark.parametrize(("type_", "named"), UNREADABLE, ids=lambda given: str(given)[:60])
def test_a_type_that_cannot_be_read_is_a_type_error_that_names_it(codec: Codec, type_: Any, named: str) -> None:
    assert isinstance(codec, Preparing)
    for _ in range(2):
        with pytest.raises(TypeError, match=named):
            codec.prepare(type_)
    for data in (b"", b"{}", b"<xml/>", b'{"a":1}'):
        with pytest.raises(TypeError, match=named):
            codec.decode(data, type_)


class Rows(msgspec.Struct):
    """Arrays in arrays: XML as the platform writes it has no form for them."""

    rows: list[list[str]]


class Place(msgspec.Struct, array_like=True):
    """Written as an array."""

    x: int


@pytest.mark.parametrize(
    "type_", [Rows, Envelope[Rows], list[int], Place, Envelope[list[Place]], dict[str, list[list[int]]]]
)
def test_xml_refuses_what_only_json_can_read(type_: Any) -> None:
    JsonCodec().prepare(type_)
    with pytest.raises(TypeError, match="form"):
        XmlCodec().prepare(type_)
    with pytest.raises(TypeError, match="form"):
        XmlCodec().decode(b"<xml/>", type_)


@both
def test_every_type_of_the_library_and_every_usual_type_of_a_user_can_be_read(codec: Codec) -> None:
    assert isinstance(codec, Preparing)
    usual: tuple[Any, ...] = (
        Envelope[None], Envelope[object], Envelope[Any], Envelope[One | None], Envelope[list[One]], Deep[int],
        Deep[Any],
        Envelope[Hashable], Envelope[TaskStatus[Hashable | None]], Envelope[dict[str, object]],
    )  # fmt: skip
    for type_ in (*TYPES, *usual, ErrorEnvelope, TaskStarted, ChannelStatistics, SegmentStatistics):
        codec.prepare(type_)
        with pytest.raises(DecodeError):
            codec.decode(b"", type_)


@both
@pytest.mark.parametrize("type_", [dict[str, set[Any]], dict[str, frozenset[object]]])  # type: ignore[misc]  # types
def test_an_item_without_a_hash_is_a_decode_error(codec: Codec, type_: Any) -> None:
    codec.prepare(type_)  # type: ignore[attr-defined]  # they have it
    for data in (b'{"a":[{}]}', b'{"a":[[1]]}', b"<xml><a><b>1</b></a></xml>"):
        with pytest.raises(DecodeError):
            codec.decode(data, type_)


def test_msgspecs_raw_is_for_json_only() -> None:
    JsonCodec().prepare(Envelope[msgspec.Raw])
    with pytest.raises(TypeError, match="form for raw JSON"):
        XmlCodec().prepare(Envelope[msgspec.Raw])


def test_a_codec_need_not_be_able_to_prepare() -> None:
    class Plain:
        name = "plain"
        content_types = ("text/x-plain",)

        def encode(self, value: object) -> bytes:
            return repr(value).encode()

        def decode(self, data: bytes, type: type[T]) -> T:
            return type()

    registry = default_registry()
    registry.register(Plain())
    assert not isinstance(registry.by_name("plain"), Preparing)


def test_a_pydantic_model_is_refused_with_advice() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Answer", id=(int, ...))
    for codec in (JsonCodec(), XmlCodec()):
        with pytest.raises(TypeError, match=r"Answer.*msgspec\.Struct"):
            codec.prepare(Envelope[list[model]])  # type: ignore[valid-type]
