"""Writing XML: the platform's own form, and an EncodeError for every value that has none."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altcraft import EncodeError
from altcraft.codecs.json import JsonCodec
from altcraft.schema import (
    DatabasesRefreshCounters,
    Feedback,
    TaskStarted,
)
from every_field import CODEC, Everything
from round_trips import ROUND_TRIPS


@ROUND_TRIPS
@given(data=st.data())
@settings(max_examples=settings.default.max_examples // 6)
def test_what_is_written_is_read_back_equal(
    type_: type, values: st.SearchStrategy[object], data: st.DataObject
) -> None:
    value = data.draw(values)
    assert CODEC.decode(CODEC.encode(value), type_) == value


def test_every_kind_of_field_is_written_and_read_back() -> None:
    value = Everything(
        text="a <b> & 'c' \"d\" ]]> \r\n\t é 😀", maybe_text=None, number=-5, maybe_number=None, ratio=1e-7, flag=True,
        day=date(2024, 2, 29), moment=datetime(2024, 4, 17, 21, 36, 1, 449_123, tzinfo=timezone(timedelta(hours=3))),
        amount=Decimal("12.50"), uuid=UUID(int=2**127), pause=timedelta(seconds=90), texts=["", "a", ""],
        numbers=[1], few=(1, 2), several={3}, objects=[TaskStarted("t")], one=TaskStarted(""),
        by_name={"a": 1, "b": None}, many_by_name={"a": [1, 2], "b": [3]}, either="seven",
    )  # fmt: skip
    # A null and an empty string look alike where both may stand: the string wins.
    assert CODEC.decode(CODEC.encode(value), Everything) == msgspec.structs.replace(value, maybe_text="", anything="")


def test_it_writes_the_root_xml_with_arrays_as_repeated_elements_and_no_declaration() -> None:
    value = {"data": [{"a": 1}, {"a": 2}], "none": None, "nothing": [], "text": "", "yes": True, "error": 0}
    assert CODEC.encode(value) == (
        b"<xml><data><a>1</a></data><data><a>2</a></data><none/><nothing/><text></text><yes>true</yes>"
        b"<error>0</error></xml>"
    )


def test_a_request_is_written_with_wire_names_and_without_fields_that_are_not_set() -> None:
    request = DatabasesRefreshCounters(5, 24, Feedback("http://me.example/?a=1&b=2"), token="t", format="xml")
    assert CODEC.encode(request) == (
        b"<xml><id>5</id><resource_id>24</resource_id><feedback><url>http://me.example/?a=1&amp;b=2</url>"
        b"<type>JSON</type></feedback><token>t</token><format>xml</format></xml>"
    )


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime(2024, 4, 17, 21, 36, 1, 449_000, tzinfo=timezone.utc), b"2024-04-17T21:36:01.449Z"),
        (datetime(2024, 4, 17, 21, 36, 1, tzinfo=timezone.utc), b"2024-04-17T21:36:01.000Z"),
        (datetime(2024, 4, 17, 21, 36, 1, 1, tzinfo=timezone.utc), b"2024-04-17T21:36:01.000001Z"),
        (datetime(1, 1, 1, tzinfo=timezone.utc), b"0001-01-01T00:00:00.000Z"),
        (datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=3))), b"2024-01-01T00:00:00.000+03:00"),
    ],
)
def test_a_moment_is_written_in_milliseconds_unless_it_is_more_exact(moment: datetime, written: bytes) -> None:
    assert CODEC.encode({"updated": moment}) == b"<xml><updated>" + written + b"</updated></xml>"


class Level(str, enum.Enum):
    """An enumeration whose members are strings. From 3.11 on, Python formats them by their names."""

    LOW = "low"
    BOTH = "low & high"


@dataclass
class Part:
    """A dataclass."""

    level: Level
    _size: int = 0


@dataclass
class Whole:
    """A dataclass with dataclasses in it."""

    parts: list[Part] = field(default_factory=list)
    first: Part | None = None
    note: str | msgspec.UnsetType = msgspec.UNSET
    since: datetime | None = None


@pytest.mark.parametrize("codec", [JsonCodec(), CODEC], ids=["json", "xml"])
def test_dataclasses_and_enumerations_of_strings_survive_a_round_trip(codec: Any) -> None:
    moment = datetime(2024, 4, 17, 21, 36, 1, 449_000, tzinfo=timezone.utc)
    for value in (Whole(), Whole([Part(Level.LOW, 2), Part(Level.BOTH)], Part(Level.BOTH), "", moment)):
        assert codec.decode(codec.encode(value), Whole) == value
    assert codec.encode({"level": Level.LOW, "part": Part(Level.BOTH)}) == (
        b'{"level":"low","part":{"level":"low & high","_size":0}}'
        if codec is not CODEC
        else b"<xml><level>low</level><part><level>low &amp; high</level><_size>0</_size></part></xml>"
    )


class Size(enum.Enum):
    """An enumeration with a text and a number as values."""

    FULL = "full"
    PARTIAL = 5


class Moment(datetime):
    """A subclass of datetime, which msgspec does not write."""


class NoZone(tzinfo):
    """A time zone without an offset."""


class Lacking(msgspec.Struct):
    """A struct whose field can be deleted."""

    text: str = ""


def lacking() -> Lacking:
    """A struct whose field has no value."""
    struct = Lacking()
    del struct.text
    return struct


def test_a_key_is_written_as_the_same_text_as_in_json() -> None:
    assert CODEC.encode({Size.FULL: 1, Level.LOW: 2}) == b"<xml><full>1</full><low>2</low></xml>"
    for key in (Size.PARTIAL, 5, 1.5, None, True, ("a",)):
        with pytest.raises(EncodeError):
            CODEC.encode({key: 1})


@pytest.mark.parametrize("codec", [JsonCodec(), CODEC], ids=["json", "xml"])
@pytest.mark.parametrize(
    "value",
    [Moment(2024, 1, 2), datetime(2024, 1, 2, tzinfo=NoZone()), lacking(), Whole(note=object())],
    ids=["moment", "zone", "lacking", "object"],
)
def test_a_value_that_msgspec_refuses_is_an_encode_error(codec: Any, value: object) -> None:
    for whole in ({"a": value}, {"a": [value]}, TaskStarted(value)):
        with pytest.raises(EncodeError):
            codec.encode(whole)


def test_a_struct_is_written_by_its_values_even_if_its_annotations_do_not_resolve() -> None:
    type_ = msgspec.defstruct("Unresolved", [("field", "Nowhere")])
    assert CODEC.encode(type_(5)) == b"<xml><field>5</field></xml>"


def test_the_work_for_nested_dataclasses_does_not_double_on_every_level() -> None:
    @dataclass
    class Nest:
        inside: Any

    value: Any = {"numbers": list(range(5_000))}
    for _ in range(200):
        value = Nest(value)
    began = time.process_time()
    assert CODEC.encode(value).endswith(b"<numbers>4999</numbers>" + b"</inside>" * 200 + b"</xml>")
    assert time.process_time() - began < 2  # seconds; doubled on every level, the work would never end


def test_an_encode_error_names_the_class_that_has_no_form() -> None:
    with pytest.raises(EncodeError, match=r"not expressible in XML: .* type object"):
        CODEC.encode({"whole": Whole(note=object())})


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x0b", "\x1f", "\ufffe", "\uffff", "\udfff"])
def test_an_encode_error_names_the_character_that_xml_cannot_carry_and_the_element(character: str) -> None:
    with pytest.raises(EncodeError, match=f"<task_id>.*U\\+{ord(character):04X}"):
        CODEC.encode({"task_id": f"a{character}b"})


@pytest.mark.parametrize("character", ["\t", "\n", "\r", "\x7f", "\x85", "\u2028", "\ufffd", "\U0010ffff"])
def test_every_other_character_survives_a_round_trip(character: str) -> None:
    assert CODEC.decode(CODEC.encode({"text": f"a{character}b"}), Everything).text == f"a{character}b"


@pytest.mark.parametrize("name", ["", "1a", "a b", "a>", "<", "a:b", "é", "-a", "a\n"])
def test_a_key_that_cannot_be_the_name_of_an_element_is_an_encode_error(name: str) -> None:
    with pytest.raises(EncodeError, match="name of an XML element"):
        CODEC.encode({name: 1})


@pytest.mark.parametrize(
    "value", [[1, 2], {"a": [[1]]}, {"a": object()}, {"a": {"b": print}}, [{"a": 1}], {"a": ([],)}]
)
def test_a_value_without_a_form_in_xml_is_an_encode_error(value: object) -> None:
    with pytest.raises(EncodeError):
        CODEC.encode(value)


def test_a_value_that_contains_itself_is_an_encode_error() -> None:
    circle: dict[str, object] = {}
    circle["a"] = circle
    with pytest.raises(EncodeError, match="deep"):
        CODEC.encode(circle)


class Channel(str, enum.Enum):
    EMAIL = "an_email"


@pytest.mark.parametrize("codec", [JsonCodec(), CODEC], ids=["json", "xml"])
def test_a_key_from_an_enumeration_is_written_as_its_text_each_time(codec: Any) -> None:
    first = codec.encode({"counts": {Channel.EMAIL: 1}})
    assert codec.decode(first, dict[str, dict[str, int]]) == {"counts": {"an_email": 1}}
    assert codec.encode({"counts": {"an_email": 1}}) == codec.encode({"counts": {Channel.EMAIL: 1}}) == first
