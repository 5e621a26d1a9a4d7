"""Empty arrays, nulls and absent fields: what each format says of them, and nothing invented."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar, Union

import msgspec
import pytest
from msgspec import UNSET, UnsetType

from altcraft import DecodeError
from altcraft.codecs.json import JsonCodec
from altcraft.codecs.xml import XmlCodec
from altcraft.schema import Envelope

T = TypeVar("T")
JSON = JsonCodec()
xml_codecs = pytest.mark.parametrize(
    "xml", [XmlCodec(), XmlCodec(fast_path=False)], ids=["fast path", "general reader"]
)


class Row(msgspec.Struct):
    """A result that a user declares."""

    id: int = 0


class Lists(msgspec.Struct):
    """Arrays that must be there."""

    plain: list[int]
    rows: list[Row]
    unique: set[int]
    any_length: tuple[int, ...]
    bounded: Annotated[list[int], msgspec.Meta(max_length=5)]


class Maybe(msgspec.Struct):
    """Arrays that may be absent, or None."""

    optional: list[int] | None = None
    unset: list[int] | UnsetType = UNSET
    defaulted: list[int] = msgspec.field(default_factory=lambda: [1, 2])


class Nested(msgspec.Struct):
    """Arrays in arrays and in mappings."""

    matrix: list[list[int]] = []
    by_name: dict[str, list[int]] = {}


EMPTY = Lists([], [], set(), (), [])


# JSON: Go writes an empty slice as null.


def test_a_null_for_an_array_is_an_empty_array_in_json() -> None:
    data = b'{"plain":null,"rows":null,"unique":null,"any_length":null,"bounded":null}'
    assert JSON.decode(data, Lists) == EMPTY
    assert JSON.decode(b'{"defaulted":null,"unset":null}', Maybe) == Maybe(unset=[], defaulted=[])
    assert JSON.decode(b'{"matrix":[[1],null],"by_name":{"a":null,"b":[1]}}', Nested) == Nested(
        [[1], []], {"a": [], "b": [1]}
    )
    assert JSON.decode(b"null", list[int]) == []
    assert JSON.decode(b'{"data":null,"error":0}', Envelope[list[Row]]) == Envelope(data=[], error=0)


def test_a_null_for_an_array_that_may_be_none_is_none_in_json() -> None:
    assert JSON.decode(b'{"optional":null}', Maybe) == Maybe()
    kind: Any = Envelope[list[Row] | None]
    assert JSON.decode(b'{"data":null,"error":0}', kind) == Envelope(data=None, error=0)


def test_an_array_that_is_absent_in_json_is_an_error_where_it_is_required() -> None:
    with pytest.raises(DecodeError, match="plain"):
        JSON.decode(b'{"rows":[],"unique":[],"any_length":[],"bounded":[]}', Lists)
    assert JSON.decode(b"{}", Maybe) == Maybe()


@pytest.mark.parametrize("type_", [Row, int, str, tuple[int, int], dict[str, int]])
def test_a_null_for_anything_else_invents_nothing_in_json(type_: Any) -> None:
    assert JSON.decode(b'{"data":null,"error":0}', Envelope[type_]) == Envelope(error=0)
    with pytest.raises(DecodeError):
        JSON.decode(b"null", type_)


# XML: an empty array is an empty element, or no element at all.


@xml_codecs
def test_an_array_is_empty_in_xml_where_its_element_is_empty_or_absent(xml: XmlCodec) -> None:
    for inside in (
        "<plain/><rows/><unique/><any_length/><bounded/>",
        "<plain></plain><rows>\n</rows>",
        "<rows/>",
        "<unknown>1</unknown>",
        "",
    ):
        for _ in range(4):
            assert xml.decode(f"<xml>{inside}</xml>".encode(), Lists) == EMPTY


@xml_codecs
def test_an_array_with_a_default_keeps_it_where_it_is_absent(xml: XmlCodec) -> None:
    for _ in range(4):
        assert xml.decode(b"<xml><x/></xml>", Maybe) == Maybe()
        assert xml.decode(b"<xml><optional/><unset/><defaulted/></xml>", Maybe) == Maybe([], [], [])


@xml_codecs
def test_the_data_of_an_envelope_is_told_apart_from_none(xml: XmlCodec) -> None:
    for _ in range(4):
        assert xml.decode(b"<xml><error>0</error></xml>", Envelope[list[Row]]) == Envelope(error=0)
        assert xml.decode(b"<xml><data/><error>0</error></xml>", Envelope[list[Row]]) == Envelope(data=[], error=0)


class Wanted(msgspec.Struct):
    """An object in which an array and something else must be there."""

    rows: list[Row]
    id: int


@xml_codecs
def test_only_arrays_may_be_absent_in_xml(xml: XmlCodec) -> None:
    for _ in range(4):
        assert xml.decode(b"<xml><id>5</id></xml>", Wanted) == Wanted([], 5)
        for lacking in (b"<xml/>", b"<xml><rows/></xml>", b"<xml><x/></xml>"):
            with pytest.raises(DecodeError, match="id"):
                xml.decode(lacking, Wanted)


@pytest.mark.parametrize("optional", [type(None), Union[Row, None], Union[int, None]], ids=["None", "Row", "int"])  # noqa: UP007
def test_an_empty_result_is_none_where_the_type_has_none(optional: Any) -> None:
    assert JSON.decode(b'{"data":null,"error":0}', Envelope[optional]) == Envelope(data=None, error=0)
    for codec in (XmlCodec(), XmlCodec(fast_path=False)):
        for _ in range(4):
            for empty in ("<data/>", "<data></data>", "<data>\n</data>"):
                read = codec.decode(f"<xml>{empty}<error>0</error></xml>".encode(), Envelope[optional])
                assert read == Envelope(data=None, error=0)
            assert codec.decode(b"<xml><error>0</error></xml>", Envelope[optional]) == Envelope(error=0)
