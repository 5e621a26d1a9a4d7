"""Bodies of replies, decompressed: any coding, cut into pieces of any size, and only so much of it."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import ConnectionLost, DecodeError, ResponseTooLarge
from altcraft_transports._common.body import Body


def deflated(data: bytes) -> bytes:
    """As some servers send it, without the wrapping of zlib."""
    raw = zlib.compressobj(wbits=-15)
    return raw.compress(data) + raw.flush()


def read(sent: bytes, coding: str | None, size: int = 1 << 16, limit: int = 1000) -> bytes:
    body = Body(limit, coding)
    for start in range(0, len(sent), size):
        body.feed(sent[start : start + size])
    return body.whole()


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP ", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", deflated),
        ("gzip", lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:])),
        ("gzip", lambda data: gzip.compress(data) + b"\r\n"),
        ("gzip", lambda data: gzip.compress(data) + b"\0" * 99),
        ("gzip", lambda data: gzip.compress(data) + b"\x1f"),
        ("deflate", lambda data: zlib.compress(data) + b"\x1f\x8bno gzip"),
        ("deflate", lambda data: deflated(data) + b"\0\0"),
        ("gzip, identity", gzip.compress),
        ("identity, utf-8, gzip", gzip.compress),
        ("deflate, gzip", lambda data: gzip.compress(zlib.compress(data))),
        ("gzip,gzip,gzip", lambda data: gzip.compress(gzip.compress(gzip.compress(data)))),
        ("identity", bytes),
        ("", bytes),
        ("utf-8", bytes),
        ("none", bytes),
        ("windows-1251, binary", bytes),
        (None, bytes),
    ],
)
@given(data=st.binary(max_size=300), size=st.integers(1, 50))
def test_a_coding_is_undone_in_pieces_of_any_size(coding: str | None, encode, data: bytes, size: int) -> None:  # type: ignore[no-untyped-def]  # a function of bytes
    assert read(encode(data), coding, size) == data


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "x-compress", "gzip, br", "BR", "utf-8,zstd"])
def test_a_coding_that_is_not_read_is_a_decode_error_that_names_it(coding: str) -> None:
    with pytest.raises(DecodeError, match=r"(?i)compressed with (x-)?(br|zstd|compress),"):
        Body(1000, coding)


def test_no_error_repeats_what_a_server_has_written_there() -> None:
    assert read(b"hello", "s3cret-token") == b"hello"
    with pytest.raises(DecodeError) as caught:
        Body(1000, "s3cret-token, br")
    assert "s3cret" not in str(caught.value)


def test_codings_without_end_are_refused() -> None:
    with pytest.raises(DecodeError, match="4 times over"):
        Body(1000, "gzip, gzip, deflate, gzip")


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "gzip, gzip", "deflate, gzip"])
@pytest.mark.parametrize("size", [1, 1 << 16])
def test_a_body_that_is_not_in_its_coding_is_a_decode_error_that_says_so(coding: str, size: int) -> None:
    sent = b'{"data": {"task_id": "t-1"}}'
    if coding == "deflate, gzip":
        sent = gzip.compress(sent)  # the outer coding is right, and the inner one is not
    with pytest.raises(DecodeError, match="header says that the body is compressed, but it can't be decompressed"):
        read(sent, coding, size)


@pytest.mark.parametrize(
    "sent", [b"\x1f\x8bhello, world", b"{", b"{}", gzip.compress(b"hello" * 100, mtime=0)[:-8] + b"\0" * 8]
)
def test_a_body_that_is_damaged_or_short_and_no_gzip_is_a_decode_error(sent: bytes) -> None:
    with pytest.raises(DecodeError):
        read(sent, "gzip")


def test_a_compressed_body_that_ends_too_early_is_lost() -> None:
    whole = gzip.compress(b"hello" * 100)
    for size in range(1, len(whole)):
        with pytest.raises(ConnectionLost, match="cut short"):
            read(whole[:size], "gzip")
    with pytest.raises(ConnectionLost):
        read(whole + whole[:-9], "gzip")


def test_a_body_may_be_empty() -> None:
    for coding in (None, "gzip", "deflate", "gzip, gzip"):
        assert Body(1000, coding).whole() == b""


def test_the_limit_counts_what_comes_out() -> None:
    for coding, encode in ((None, bytes), ("gzip", gzip.compress), ("deflate", deflated)):
        assert len(read(encode(b"x" * 1000), coding)) == 1000
        with pytest.raises(ResponseTooLarge, match="1,000 bytes"):
            read(encode(b"x" * 1001), coding)
    with pytest.raises(ResponseTooLarge):
        Body(1000).expect(1001)
    Body(1000).expect(1000)


def test_a_long_run_is_put_together_from_its_pieces() -> None:
    """The output of a single byte of input may exceed what is decompressed at once."""
    data = b"\0" * (1 << 21)
    for coding, encode in (("gzip", gzip.compress), ("deflate", deflated)):
        for size in (1, 1 << 16):
            assert read(encode(data), coding, size, limit=1 << 22) == data


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", "deflate, gzip"])
def test_a_bomb_takes_no_memory(coding: str) -> None:
    sent = b"\0" * (64 << 20)
    for name in coding.split(", "):
        sent = gzip.compress(sent, 9) if name == "gzip" else zlib.compress(sent, 9)
    tracemalloc.start()
    try:
        with pytest.raises(ResponseTooLarge):
            read(sent, coding, limit=1 << 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20, f"{peak:,} bytes"
