"""JSON: strict about types, lenient about nulls, and a DecodeError for everything else."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altcraft import (
    ChannelStatistics,
    DatabaseStatistics,
    DecodeError,
    EncodeError,
    SegmentStatistics,
    TaskStatus,
)
from altcraft.codecs.json import JsonCodec
from altcraft.schema import (
    DatabasesRefreshCounters,
    Envelope,
    ErrorEnvelope,
    Feedback,
    SegmentsRefreshCounters,
    TaskStarted,
)
from golden import EXAMPLES, Example
from round_trips import ROUND_TRIPS

CODEC = JsonCodec()
Completed = Envelope[TaskStatus[list[SegmentStatistics]]]
json_examples = pytest.mark.parametrize(
    "golden", [known for known in EXAMPLES if known.format == "json"], ids=lambda golden: golden.name
)


class Line(msgspec.Struct):
    """A type that a user might declare."""

    text: str = ""
    number: int = 0
    many: list[int] = []
    by_name: dict[str, int | None] = {}


@ROUND_TRIPS
@given(data=st.data())
@settings(max_examples=settings.default.max_examples // 6)
def test_what_is_written_is_read_back_equal(
    type_: type, values: st.SearchStrategy[object], data: st.DataObject
) -> None:
    value = data.draw(values)
    assert CODEC.decode(CODEC.encode(value), type_) == value


def test_it_writes_compact_json_and_leaves_out_what_is_not_set() -> None:
    request = SegmentsRefreshCounters(7, 24, db_id=1, token="t", format="json")
    assert json.loads(CODEC.encode(request)) == {
        "id": 7, "resource_id": 24, "db_id": 1, "token": "t", "format": "json"
    }  # fmt: skip
    assert CODEC.encode(SegmentsRefreshCounters(7, 24)) == b'{"id":7,"resource_id":24}'


def test_feedback_is_written_with_the_type_that_the_page_shows() -> None:
    written = json.loads(CODEC.encode(DatabasesRefreshCounters(5, 24, Feedback("http://me.example/r"))))
    assert written["feedback"] == {"url": "http://me.example/r", "type": "JSON"}


def test_plain_dicts_and_lists_are_written_too() -> None:
    value = {"data": [{"a": 1, "b": None}], "error": 0}
    assert json.loads(CODEC.encode(value)) == value


def test_a_moment_is_written_in_utc_and_read_as_an_aware_one() -> None:
    moment = datetime(2024, 4, 17, 21, 36, 1, 449_000, tzinfo=timezone.utc)
    written = CODEC.encode(SegmentStatistics(updated=moment))
    assert b"2024-04-17T21:36:01.449" in written
    assert CODEC.decode(written, SegmentStatistics).updated == moment


@pytest.mark.parametrize("offset", ["Z", "+00:00", "+03:00", "-11:30"])
def test_a_moment_with_any_offset_keeps_its_instant(offset: str) -> None:
    read = CODEC.decode(b'{"updated":"2024-04-17T21:36:01%s"}' % offset.encode(), SegmentStatistics).updated
    assert read == datetime.fromisoformat("2024-04-17T21:36:01" + offset.replace("Z", "+00:00"))


def test_a_moment_without_offset_is_refused_rather_than_guessed() -> None:
    with pytest.raises(DecodeError, match="updated"):
        CODEC.decode(b'{"updated":"2024-04-17T21:36:01"}', SegmentStatistics)


# Leniency.


def test_a_byte_order_mark_before_the_document_is_passed_over() -> None:
    assert CODEC.decode(b"\xef\xbb\xbf" + b'{"error":0}', ErrorEnvelope) == ErrorEnvelope(error=0)


@pytest.mark.parametrize("text", [b' \r\n\t{"error":0}\n\n ', b'{ "error" :\n0 }'])
def test_white_space_around_tokens_says_nothing(text: bytes) -> None:
    assert CODEC.decode(text, ErrorEnvelope).error == 0


def test_unknown_members_are_passed_over_at_every_level() -> None:
    text = b"""{"new":[1,{"x":null}],"data":{"status":"completed","eta":3,"result":[
        {"channels":[{"channel":"email","colour":"red","status":{"brand_new":5}}],"sort":{"by":"x"}}]},"error":0}"""
    envelope = CODEC.decode(text, Completed)
    assert isinstance(envelope.data, TaskStatus)
    assert envelope.data.result == [SegmentStatistics(channels=[ChannelStatistics("email", {"brand_new": 5})])]


@pytest.mark.parametrize(
    ("text", "type_", "expected"),
    [
        (b'{"data":null,"error":401}', Envelope[TaskStarted], Envelope(error=401)),
        (b'{"error":null,"error_text":null}', ErrorEnvelope, ErrorEnvelope()),
        (b'{"channels":null,"list_id":1}', SegmentStatistics, SegmentStatistics(list_id=1)),
        (b'{"channel":"sms","status":null}', ChannelStatistics, ChannelStatistics("sms")),
        (b'{"text":null,"number":null,"many":null,"by_name":null}', Line, Line()),
        (b'{"status":"x","progress":null,"result":null}', TaskStatus[list[SegmentStatistics]], TaskStatus("x")),
    ],
)
def test_a_null_where_the_schema_has_none_counts_as_absent(text: bytes, type_: type, expected: object) -> None:
    assert CODEC.decode(text, type_) == expected


class Shelf(msgspec.Struct, tag="shelf"):
    """One of two things with fields of the same name."""

    what: list[int] = []


class Box(msgspec.Struct, tag="box"):
    """The other."""

    what: int | None = 1


class Stock(msgspec.Struct):
    """Fields that allow null, and fields that do not."""

    many: list[int] = []
    number: int | None = 5
    price: Decimal | None = None
    counts: dict[str, int | None] = {}
    anything: object = None
    things: list[Shelf | Box] = []
    later: dict[str, Stock] = {}
    either: int | float = 0
    pair: tuple[Stock, int] | None = None
    row: Row | None = None


class Row(msgspec.Struct, array_like=True):
    """Fields that are written by place."""

    first: Stock
    second: int = 0


@pytest.mark.parametrize(
    "beside",
    [
        '"number":null',
        '"price":0.12345678901234567890123',
        '"price":1.10',
        '"price":1e400',
        '"counts":{"a":null,"b":1}',
        '"anything":{"x":null,"y":[1.5,null]}',
        '"either":0.1e1',
        '"either":20e-1',
        '"number":123456789012345678901234567890',
        '"things":[{"type":"box","what":null},{"type":"shelf","what":[1]}]',
        '"later":{"a":{"number":null}}',
    ],
)
def test_a_null_that_is_not_allowed_changes_nothing_else_in_the_document(beside: str) -> None:
    alone = CODEC.decode(f"{{{beside}}}".encode(), Stock)
    assert repr(CODEC.decode(f'{{{beside},"many":null}}'.encode(), Stock)) == repr(alone)


def test_a_null_that_is_not_allowed_makes_no_other_value_acceptable() -> None:
    for text in (b'{"number":2e0}', b'{"number":2e0,"many":null}'):
        with pytest.raises(DecodeError):
            CODEC.decode(text, Stock)


def test_a_null_that_is_not_allowed_is_absent_at_every_level() -> None:
    text = b"""{"things":[{"type":"shelf","what":null},{"type":"box","what":null}],
    "later":{"a":null,"b":{"many":null,"number":null}}}"""
    assert CODEC.decode(text, Stock) == Stock(things=[Shelf(), Box(None)], later={"b": Stock(number=None)})
    by_place = b'{"pair":[{"many":null},1],"row":[{"many":null}]}'
    assert CODEC.decode(by_place, Stock) == Stock(pair=(Stock(), 1), row=Row(Stock()))
    with pytest.raises(DecodeError, match="things"):
        CODEC.decode(b'{"things":[null],"many":null}', Stock)


def test_a_null_that_the_schema_allows_is_kept() -> None:
    assert CODEC.decode(b'{"by_name":{"a":null,"b":0}}', Line).by_name == {"a": None, "b": 0}


@pytest.mark.parametrize("text", [b'{"task_id":null}', b"null", b'{"task_id":null,"x":1}'])
def test_a_null_for_a_required_field_is_refused(text: bytes) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(text, TaskStarted)


@pytest.mark.parametrize("text", [b'{"a":1,"a":2}', b'{"a":2,"a":{"b":1},"a":2}'])
def test_of_a_member_that_comes_twice_the_last_one_counts(text: bytes) -> None:
    assert CODEC.decode(text, object) == {"a": 2}


def test_of_a_known_member_that_comes_twice_the_last_one_counts() -> None:
    assert CODEC.decode(b'{"error":0,"error":401}', ErrorEnvelope).error == 401


# Strictness: everything else is a DecodeError.


@pytest.mark.parametrize(
    ("text", "type_", "says"),
    [
        (b'{"id":"7","resource_id":24}', SegmentsRefreshCounters, r"\$\.id"),
        (b'{"id":true,"resource_id":24}', SegmentsRefreshCounters, r"\$\.id"),
        (b'{"id":7}', SegmentsRefreshCounters, "resource_id"),
        (b'{"data":{"task_id":5},"error":0}', Envelope[TaskStarted], r"\$\.data\.task_id"),
        (b'{"error":"0"}', ErrorEnvelope, r"\$\.error"),
        (b'{"data":{"status":"completed","result":{"channels":[]}}}', Completed, r"\$\.data\.result"),
        (b"[]", ErrorEnvelope, "array"),
        (b'"error"', ErrorEnvelope, "str"),
        (b"0", ErrorEnvelope, "int"),
        (b'{"channels":[null]}', SegmentStatistics, r"\$\.channels"),
        (b'{"updated":"yesterday"}', SegmentStatistics, r"\$\.updated"),
        (b'{"number":%s}' % (b"9" * 5000), Line, "number"),
        (b'{"number":1e400}', Line, "."),
    ],
)
def test_another_shape_is_refused_with_the_place_in_it(text: bytes, type_: type, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        CODEC.decode(text, type_)


@pytest.mark.parametrize(
    "text",
    [
        b"", b" ", b"{", b'{"error":0', b'{"error":0}}', b'{"error":0} {"error":0}', b'{"error":0}x', b'{"error":0},',
        b"{'error':0}", b'{error:0}', b'{"error":00}', b'{"error":NaN}', b'{"error":Infinity}', b'{"error":0,}',
        b'{"error_text":"\xff\xfe"}', b'{"error_text":"\\ud800"}', b'{"error_text":"\\ude00\\ud83d"}',
        b'{"error_text":"\\x41"}', b'{"error_text":"a\nb"}', b"<xml/>", b"\xff\xfe{\x00}\x00", b"\x00", b"\xef\xbb\xbf",
        '{"error":0}'.encode("utf-16"), '{"error":0}'.encode("utf-32"),
    ],
)  # fmt: skip
def test_bytes_that_are_not_json_are_refused(text: bytes) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(text, ErrorEnvelope)


@pytest.mark.parametrize("type_", [object, ErrorEnvelope, Completed, Line])
@pytest.mark.parametrize(
    "text",
    [b"[" * 10_000, b'{"a":' * 10_000, b'{"data":' + b"[" * 10_000, b"[" * 100_000 + b"]" * 100_000],
)
def test_deep_nesting_is_refused(text: bytes, type_: type) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(text, type_)


def test_a_large_integer_is_read_exactly() -> None:
    assert CODEC.decode(b'{"number":18446744073709551615}', Line).number == 2**64 - 1


def test_a_surrogate_pair_is_one_character() -> None:
    assert CODEC.decode(b'{"text":"\\ud83d\\ude00"}', Line).text == "😀"


@pytest.mark.slow
@json_examples
def test_an_example_cut_short_anywhere_is_refused(golden: Example) -> None:
    body = golden.body.strip()
    for end in range(len(body)):
        with pytest.raises(DecodeError):
            CODEC.decode(body[:end], golden.type)


@given(st.binary(max_size=200), st.sampled_from([object, ErrorEnvelope, Completed, Line, DatabaseStatistics]))
def test_any_bytes_give_a_value_or_a_decode_error(data: bytes, type_: type) -> None:
    try:
        CODEC.decode(data, type_)
    except DecodeError:
        return


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=10,
    ),
    st.sampled_from([ErrorEnvelope, Completed, Line, DatabaseStatistics, SegmentsRefreshCounters]),
)
def test_any_json_gives_a_value_or_a_decode_error(value: Any, type_: type) -> None:
    text = json.dumps(value).encode()
    try:
        CODEC.decode(text, type_)
    except DecodeError:
        return


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=settings.default.max_examples * 2)
def test_a_damaged_example_gives_a_value_or_a_decode_error(data: st.DataObject) -> None:
    golden = data.draw(st.sampled_from([known for known in EXAMPLES if known.format == "json"]))
    body = bytearray(golden.body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        CODEC.decode(bytes(body), golden.type)
    except DecodeError:
        return


# What can't be written.


@pytest.mark.parametrize("value", [object(), {"f": print}, {(1, 2): 3}, "\ud800", {"a": {"b": {1j}}}])
def test_a_value_without_a_json_form_is_an_encode_error(value: object) -> None:
    with pytest.raises(EncodeError, match="JSON"):
        CODEC.encode(value)


def test_a_value_that_contains_itself_is_an_encode_error() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(EncodeError):
        CODEC.encode(circle)


def test_an_encode_error_is_a_value_error_of_the_library() -> None:
    with pytest.raises(ValueError, match="JSON") as caught:
        CODEC.encode(object())
    assert isinstance(caught.value, EncodeError)


def test_a_decode_error_says_where_reading_stopped() -> None:
    with pytest.raises(DecodeError, match="not JSON"):
        CODEC.decode(b'{"error":0 oops', ErrorEnvelope)


def test_numbers_may_be_fractions_only_where_the_schema_allows_them() -> None:
    assert CODEC.decode(b'{"status":"x","progress":12.5}', TaskStatus[object]).progress == 12.5
    progress = CODEC.decode(b'{"status":"x","progress":1e2}', TaskStatus[object]).progress
    assert progress is not None
    assert math.isclose(progress, 100)
    with pytest.raises(DecodeError):
        CODEC.decode(b'{"number":12.5}', Line)
