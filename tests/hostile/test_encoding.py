"""A value is written as a document that says the same, or is refused with an EncodeError."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import math
from typing import Any

import msgspec
import pytest

from altcraft import EncodeError
from altcraft.schema import DatabasesRefreshCounters, Feedback, TaskStatusRequest
from hostile import LONGEST_MESSAGE, codec_named
from hostile.child import in_child

each_format = pytest.mark.parametrize("format_", ["json", "xml"])


class Mood(enum.Enum):
    GOOD = object()


class Holder(msgspec.Struct):
    held: Any


def itself() -> dict[str, object]:
    value: dict[str, object] = {}
    value["itself"] = value
    return value


def written(format_: str, value: object) -> bytes | None:
    """The document, or None for an EncodeError."""
    try:
        return codec_named(format_).encode(value)
    except EncodeError as error:
        refusal = error
    assert len(str(refusal)) <= LONGEST_MESSAGE, f"a message of {len(str(refusal))} characters"
    return None


@each_format
@pytest.mark.parametrize(
    "value",
    [
        object(),
        len,
        type,
        Mood.GOOD,
        1j,
        "\ud800",
        "a\udfffz",
        itself(),
        iter([]),
        (value for value in "ab"),
        Exception(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_without_a_form_is_an_encode_error(format_: str, value: object) -> None:
    for holder in ({"x": value}, {"x": {"y": [{"z": value}]}}, Holder(value), {"x": [1, value]}):
        assert written(format_, holder) is None


@pytest.mark.parametrize(
    "character", [*map(chr, range(0x20)), "\x7f", "\x85", "\u2028", "\ufffe", "\uffff", "\U0001ffff"]
)
def test_a_character_survives_a_round_trip_or_is_refused(character: str) -> None:
    for text in (character, f"a{character}", f"{character}b", f"a{character}b"):
        request = TaskStatusRequest(text)
        for format_ in ("json", "xml"):
            document = written(format_, request)
            if document is not None:
                assert codec_named(format_).decode(document, TaskStatusRequest) == request, document
            else:
                assert format_ == "xml"
                assert not character.isprintable()
                assert character not in "\t\n\r"


@pytest.mark.parametrize(
    "text", ["]]>", "<!--", "-->", "<![CDATA[", "&amp;", "&#0;", "</xml>", "<!DOCTYPE x>", "'\"", "%a;", "{}"]
)
@each_format
def test_markup_in_a_text_stays_a_text(format_: str, text: str) -> None:
    request = DatabasesRefreshCounters(1, 2, Feedback(url=text, type=text * 2), token=text)
    assert codec_named(format_).decode(codec_named(format_).encode(request), DatabasesRefreshCounters) == request


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "1a", "-a", "<a>", "a>b", "a/", "a\0", "\ud800", "a&b", "xml:a b", "a=", "!", "?xml"]
)
def test_a_key_that_cannot_be_the_name_of_an_element_is_refused(name: str) -> None:
    assert written("xml", {name: 1}) is None
    assert written("xml", {"a": {name: {"b": 1}}}) is None


@each_format
def test_no_message_repeats_a_long_value(format_: str) -> None:
    long = "x" * 100_000
    for value in (
        {long + "<": 1},
        {"x": {long + " ": "\ud800"}},
        {long: object()},
        {"x": long + "\ud800"},
        {long: [[1]]},
    ):
        written(format_, value)


@each_format
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, decimal.Decimal("NaN"), decimal.Decimal("sNaN")])
def test_nan_and_the_infinities_are_never_written_as_numbers(format_: str, number: object) -> None:
    document = written(format_, {"progress": number})
    if document is not None:  # JSON has null for it, and decimals are texts
        assert document in (b'{"progress":null}', b'{"progress":"NaN"}', b'{"progress":"sNaN"}') or (
            format_ == "xml" and isinstance(number, decimal.Decimal)
        )


@each_format
@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**30])
def test_a_large_integer_is_exact_or_refused(format_: str, number: int) -> None:
    assert written(format_, {"x": number}) in (None, b'{"x":%d}' % number, b"<xml><x>%d</x></xml>" % number)


@each_format
def test_an_integer_of_more_digits_than_python_prints_is_refused(format_: str) -> None:
    assert written(format_, {"x": 10**5000}) is None
    assert written(format_, {"x": [1, -(10**5000)]}) is None


@each_format
@pytest.mark.parametrize(
    "moment",
    [
        dt.datetime.min.replace(tzinfo=dt.timezone.utc),
        dt.datetime.max.replace(tzinfo=dt.timezone.utc),
        dt.datetime(2024, 4, 17, 21, 36, 1, 449_000, dt.timezone(dt.timedelta(hours=-23, minutes=-59))),
        dt.datetime(2024, 4, 17, 21, 36, 1, 1, dt.timezone(dt.timedelta(hours=14))),
        dt.datetime(1, 2, 3, 4, 5, 6, 7, dt.timezone.utc),
    ],
)
def test_an_extreme_moment_survives_a_round_trip(format_: str, moment: dt.datetime) -> None:
    class Holding(msgspec.Struct):
        at: dt.datetime

    codec = codec_named(format_)
    assert codec.decode(codec.encode(Holding(moment)), Holding) == Holding(moment)


def nested(format_: str, depth: int) -> str:
    """In a child process: whether a value of that depth is written or refused."""
    value: object = "core"
    for level in range(depth):
        value = [value] if level % 2 and format_ == "json" else {"x": value}
    return "refused" if written(format_, value) is None else "written"


@each_format
@pytest.mark.parametrize("depth", [10, 20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_nesting_is_written_or_refused(format_: str, depth: int) -> None:
    assert in_child("test_encoding:nested", format_, depth) == ("written" if depth == 10 else "refused")
