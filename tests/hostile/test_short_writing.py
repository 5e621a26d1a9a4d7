"""The short way of writing XML gives what the whole way gives, to the byte, or leaves the value to it."""

from __future__ import annotations

import datetime as dt
import enum
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altcraft import EncodeError
from altcraft.codecs.xml.write_fast import write_plain
from altcraft.codecs.xml.writer import ROOT, write
from altcraft.schema import ChannelStatistics, DatabaseStatistics, Envelope, TaskStatus
from hostile import Kind, Level, Part
from hostile.strategies import structs, values
from hostile.test_round_trips import PATIENT


class Text(str):
    """A text that prints itself as another."""

    __slots__ = ()

    def __format__(self, _: str) -> str:
        return "another"

    __str__ = __repr__ = lambda self: "another"


class Number(int):
    """A number likewise."""

    __format__ = Text.__format__
    __str__ = __repr__ = Text.__repr__


class Moment(dt.datetime):
    """A moment of a class of its own."""


class Key(str, enum.Enum):
    """A key of a mapping that is no plain text, and equals one."""

    ALL = "all"


class Sub(Part):
    """A struct of a subclass."""

    more: int = 5


class Tagged(msgspec.Struct, tag="a {b} %", tag_field="kind", omit_defaults=True):
    """A struct that is written with its tag."""

    value: Any = 0
    texts: list[str] = []
    counts: dict[str, int | None] = {}
    said: str = "{it}"


class Numbered(msgspec.Struct, tag=7, rename="kebab"):
    """A struct with a number for a tag, and fields that go by other names."""

    first_value: Any
    second_value: str | None = None
    many_values: list[Any] = []
    some_counts: dict[str, int] = {}
    last_values: list[Numbered] | None = None


class Row(msgspec.Struct, array_like=True, omit_defaults=True):
    """A struct that JSON has as an array."""

    counts: dict[str, int]
    at: dt.datetime | None = None
    flag: bool = False
    ratio: float | int = 1
    maybe: int | msgspec.UnsetType = msgspec.UNSET


TEXTS = """a 1 true null % %b %%b %(x)s {} {v0} \\ ' " & < > ]]> \x7f \u2028 \ufeff \uff5e \uffff \ud800 \0 \x0b д 😀"""
SPECIAL = [*TEXTS.split(" "), "", "100 %", "a\nb", "\t", "\r", "\x85"]
NAMES = st.sampled_from(
    ["all", "a", "b-c", "_", "x.1", "null", "class", "%b", "{a}", "a b", "", "<a>", "д", Key.ALL, Text("a")]
)
MOMENTS = [
    dt.datetime(2024, 4, 17, 21, 36, 1, fraction, zone)
    for fraction in (0, 449_000, 449_001, 1, 999_999, 120_000)
    for zone in (None, dt.timezone.utc, dt.timezone(dt.timedelta(hours=3)), dt.timezone(-dt.timedelta(minutes=90)))
]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**63, 2**64, -(2**63) - 1, 10**30]),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(SPECIAL),
    st.sampled_from(MOMENTS),
    st.sampled_from(
        [Text("a"), Number(5), Moment(2024, 1, 2), Kind.FULL, Level.HIGH, Key.ALL, msgspec.UNSET, b"x", 1j, ()]
    ),
)
COUNTS = st.dictionaries(NAMES, st.one_of(st.integers(), st.none(), LEAVES), max_size=4) | st.dictionaries(
    st.sampled_from(["all", "a", "b-c"]), st.integers(-5, 5) | st.none()
)


def anywhere(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values in which others stand, in fields that are made for them, and in others."""
    few = st.lists(inner, max_size=3)
    return st.one_of(
        few,
        few.map(tuple),
        COUNTS,
        st.dictionaries(NAMES, inner, max_size=3),
        st.builds(Tagged, inner, few, COUNTS | inner, inner),
        st.builds(Tagged, inner, said=st.sampled_from(SPECIAL)),
        st.builds(Numbered, inner, inner, few | inner, COUNTS | inner, few | inner),
        st.builds(Numbered, inner, st.sampled_from(SPECIAL), few, COUNTS),
        st.builds(Row, COUNTS | inner, inner, inner, inner, inner),
        st.builds(Row, COUNTS, st.sampled_from(MOMENTS), st.booleans()),
        st.builds(Sub, inner, inner, few),
        st.builds(Part, st.sampled_from(SPECIAL), inner, few),
        st.builds(ChannelStatistics, channel=st.sampled_from(SPECIAL), counters=COUNTS | inner),
        st.builds(
            DatabaseStatistics, channels=few | inner, updated=st.sampled_from(MOMENTS) | inner, total_count=inner
        ),
        st.builds(TaskStatus, status=st.sampled_from(SPECIAL) | inner, progress=inner, result=few | inner),
        st.builds(Envelope, error=inner, error_text=st.sampled_from(SPECIAL) | inner, data=inner),
    )


def check(value: object) -> bool:
    """Whether the short way was taken; AssertionError where it says something else than the whole one."""
    written = write_plain(value)
    try:
        whole = write(ROOT, value)
    except EncodeError:
        whole = None
    assert written is None or written == whole
    return written is not None


@given(st.recursive(LEAVES, anywhere, max_leaves=12))
@settings(PATIENT, max_examples=settings.default.max_examples * 4)
def test_the_two_ways_say_the_same_of_any_value(value: object) -> None:
    check(value)


@given(st.data())
@settings(PATIENT)
def test_the_two_ways_say_the_same_of_a_value_of_a_type_that_somebody_else_declares(data: st.DataObject) -> None:
    check(data.draw(values(data.draw(structs()), "xml")))


def reply(channel: str, count: int | None, **others: Any) -> Any:
    """A usual reply."""
    channels = [ChannelStatistics(channel, {"all": count, "b-c": 7}), ChannelStatistics("sms", {"all": 1336, "b-c": 0})]
    counted = DatabaseStatistics(channels=channels, resource_id=24, updated=MOMENTS[1], **others)
    return Envelope(error=0, error_text="Successful operation", data=TaskStatus("completed", 100, [counted]))


@pytest.mark.parametrize(
    "value",
    [
        reply("email", 1336, total_count=5, in_progress=True, refresh_task_id="", last_count_time="just now"),
        reply("email", None),
        reply("email", -(2**63)),
        reply("100 %", 5),
        reply("100 %", None),
        reply("two\nlines", 5),
        reply("почта", 5),
        Envelope(error=None, data=TaskStatus("running", 0.5)),
        Envelope(error=5, error_text="No such thing"),
        Envelope(data=[Part("a", 5, ["b", "c"]), Part("d", None, []), Sub("e")]),
        Tagged({"a": [1.5, "b"], "d": {"e": MOMENTS[0]}}),
        Numbered([True], "%b", last_values=[Numbered(1), Numbered(None)]),
        Row({"a": 5}, MOMENTS[2]),
        {"id": 5, "parts": {"a": Part("b")}},
        {},
    ],
    ids=lambda value: repr(value)[:60],
)
def test_what_is_plain_takes_the_short_way(value: object) -> None:
    assert check(value)


@pytest.mark.parametrize("text", ["%b", "%%b", "%b%b", "% %b", "&", "\uffff", "\ud800"])
@pytest.mark.parametrize("long", [False, True])
def test_what_must_be_escaped_or_could_be_a_place_for_a_counter_is_left_to_the_whole_way(text: str, long: bool) -> None:
    channels = [ChannelStatistics(text, {"all": 5, "b-c": 7}), ChannelStatistics("b", {"all": 5})]
    assert write_plain(channels[0]) is None
    assert write_plain(Envelope(data=channels * (2_000 if long else 1))) is None


@pytest.mark.parametrize(
    "count",
    [True, 1e16, 1e-7, -0.0, "12", "", [], [5], {}, {"a": 5}, MOMENTS[0], Level.HIGH, Kind.FULL, Number(5), 2**64],
)
def test_a_counter_of_any_other_kind_is_written_as_what_it_is(count: Any) -> None:
    for others in ({}, {"b": 5}, {"b": None}):
        check(ChannelStatistics("email", {"a": count, **others}))
        check({"a": count, **others})


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 10**5000], ids=["NaN", "inf", "-inf", "long"])
def test_a_number_that_is_none_is_left_to_the_whole_way(number: Any) -> None:
    for value in ({"a": number}, {"a": [number]}, Tagged(number), Numbered(1, some_counts={"a": number})):
        assert write_plain(value) is None


def test_a_key_that_equals_one_written_before_is_written_as_the_text_it_is() -> None:
    for value in (5, "a", {"b": "c"}):
        check({"all": value})
        check({Key.ALL: value})
        check({Text("all"): value})


@pytest.mark.parametrize("tag", ["a & b", "100 %", "%b", "\0", "{tag}", "'", 5, -5])
def test_a_tag_is_a_text_like_others(tag: Any) -> None:
    type_ = msgspec.defstruct("Declared", [("counts", dict[str, int]), ("said", str)], tag=tag, tag_field="the-tag")
    if tag == "\0":
        assert write_plain(type_({"a": 5}, "b")) is None
    else:
        check(type_({"a": 5}, "b"))
        check({"items": [type_({}, "b")]})


@pytest.mark.parametrize("channel", ["email", "100 %"])
def test_the_counters_of_a_long_document_are_put_in_portion_by_portion(channel: str) -> None:
    counts = {f"counter-{number}": None if number % 3 else number for number in range(9)}
    channels = [ChannelStatistics(f"{number} {channel}", counts) for number in range(2_000)]
    assert check(Envelope(data=[DatabaseStatistics(channels=channels[:5]), DatabaseStatistics(channels=channels)]))


@pytest.mark.parametrize("printed", [b"5\n6", b"", b" ", b"5 6", b"5,6"])
def test_raw_json_among_counters_leaves_every_other_counter_in_its_place(printed: bytes) -> None:
    value = ChannelStatistics("%b", {"a": msgspec.Raw(printed), "b": 7})
    assert write_plain(value) is None
    assert write_plain(msgspec.structs.replace(value, channel="email")) is None


def test_a_default_that_is_a_list_is_left_out_wherever_it_stands() -> None:
    odd = [("counts", dict[str, int], []), ("text", str, []), ("number", int, [])]
    type_ = msgspec.defstruct("Odd", odd, omit_defaults=True)
    for value in (type_(), type_([], "a", 5), type_({"a": 5}, [], []), type_([1], ["a"], [])):
        assert check(value)


def test_more_classes_and_names_than_are_remembered_are_written_all_the_same() -> None:
    first = Part("a", 5, ["b"])
    for number in range(1_100):
        type_ = msgspec.defstruct(f"Declared{number}", [(f"field_{number}", int), ("parts", list[Part])])
        assert check(type_(number, [first]))
        assert check({f"name-{number}": first})
        check({f"key-{number}-{key}": key for key in range(number)})
    assert check(first)


def test_a_field_that_goes_by_a_keyword_is_written() -> None:
    type_ = msgspec.defstruct("Declared", [("class", int), ("ordinary", str)])
    assert not check(type_(5, "a"))
    assert write(ROOT, type_(5, "a")) == b"<xml><class>5</class><ordinary>a</ordinary></xml>"


def test_a_struct_is_written_by_whatever_name_it_stands_under() -> None:
    part = Part("a")
    assert check({"one": part, "many": [part, part], "held": Numbered(part, many_values=[part, Numbered(part)])})
    assert check(part)
