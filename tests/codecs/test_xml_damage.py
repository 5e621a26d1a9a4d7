"""Damaged XML is read or refused with a DecodeError."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altcraft import (
    DatabaseStatistics,
    DecodeError,
    SegmentStatistics,
    TaskStatus,
)
from altcraft.schema import (
    Envelope,
    ErrorEnvelope,
    SegmentsRefreshCounters,
    TaskStarted,
)
from every_field import CODEC, Everything, read
from golden import EXAMPLES, Example, example

Completed = Envelope[TaskStatus[list[SegmentStatistics]]]
XML_EXAMPLES = [known for known in EXAMPLES if known.format == "xml"]
xml_examples = pytest.mark.parametrize("golden", XML_EXAMPLES, ids=lambda golden: golden.name)


@pytest.mark.slow
@xml_examples
def test_an_example_cut_short_anywhere_is_refused(golden: Example) -> None:
    body = golden.body.strip()
    for end in range(len(body)):
        with pytest.raises(DecodeError):
            CODEC.decode(body[:end], golden.type)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "windows-1251"])
def test_an_example_in_another_encoding_cut_short_anywhere_is_refused(encoding: str) -> None:
    text = example("segments_refresh.started", "xml").body.decode().strip()
    declaration = '<?xml version="1.0" encoding="windows-1251"?>' if encoding == "windows-1251" else ""
    body = (declaration + text).encode(encoding)
    assert CODEC.decode(body, Envelope[TaskStarted]) == example("segments_refresh.started", "xml").decode()
    for end in range(len(body)):
        with pytest.raises(DecodeError):
            CODEC.decode(body[:end], Envelope[TaskStarted])


@given(st.binary(max_size=200), st.sampled_from([object, ErrorEnvelope, Completed, Everything, DatabaseStatistics]))
def test_any_bytes_give_a_value_or_a_decode_error(data: bytes, type_: type) -> None:
    for document in (data, b"<xml>" + data + b"</xml>", b"\xff\xfe" + data, b'<?xml version="1.0"' + data):
        try:
            CODEC.decode(document, type_)
        except DecodeError:
            continue


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=settings.default.max_examples * 2)
def test_a_damaged_example_gives_a_value_or_a_decode_error(data: st.DataObject) -> None:
    golden = data.draw(st.sampled_from(XML_EXAMPLES))
    body = bytearray(golden.body)
    pieces = st.binary(max_size=3) | st.sampled_from([b"<", b">", b"/", b"&", b"<!--", b"]]>", b"<!DOCTYPE x>", b"<?"])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(pieces)
    try:
        CODEC.decode(bytes(body), golden.type)
    except DecodeError:
        return


@given(
    st.recursive(
        st.sampled_from(["", "0", "-1", "true", "email", "\n", "<!--x-->", "<![CDATA[x]]>", "&amp;"]),
        lambda inner: st.lists(
            st.tuples(st.sampled_from(["data", "error", "result", "channels", "channel", "status", "updated"]), inner),
            max_size=3,
        ).map(lambda children: "".join(f"<{name}>{text}</{name}>" for name, text in children)),
        max_leaves=15,
    ),
    st.sampled_from([ErrorEnvelope, Completed, Everything, DatabaseStatistics, SegmentsRefreshCounters]),
)
def test_any_elements_give_a_value_or_a_decode_error(inside: str, type_: type) -> None:
    try:
        read(inside, type_)
    except DecodeError:
        return
