"""A reply's body, collected and decompressed under a limit: for the transports that read for themselves."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from altcraft.errors import ConnectionLost, DecodeError, ResponseTooLarge

__all__ = ["ACCEPTED", "Body"]

ACCEPTED = "gzip, deflate"
"""The value of the Accept-Encoding header that every transport sends."""

_UNREAD = frozenset({
    "aes128gcm", "br", "brotli", "bzip2", "compress", "dcb", "dcz", "exi", "lz4", "lzma", "pack200-gzip", "sdch",
    "snappy", "x-bzip2", "x-compress", "x-lzma", "x-xz", "xz", "zstd",
})  # fmt: skip
_PIECE = 1 << 18
_MOST = 3  # codings, one inside the other
_GZIP, _ZLIB, _RAW = 31, 15, -15  # as zlib numbers its containers
_MAGIC = b"\x1f\x8b"


class Body:
    """Takes the bytes of a reply's body as they arrive. `coding` is its Content-Encoding.

    Raises ResponseTooLarge as soon as more than `limit` bytes have come out, so that a small reply that would become a
    huge one costs no memory. Raises ConnectionLost if the bytes end too early, and DecodeError if they can't be
    decompressed, or if their coding is one that this library doesn't read.
    """

    def __init__(self, limit: int, coding: str | None = None) -> None:
        self._limit = self._left = limit
        self._chunks: list[bytes] = []
        self._decoders: list[_Decoder] = []
        self._take: Callable[[bytes], None] = self._add
        for name in _codings(coding) if coding else ():
            self._decoders.append(_Decoder(name == "deflate", self._take))
            self._take = self._decoders[-1].feed

    def feed(self, data: bytes) -> None:
        """Takes the next bytes."""
        try:
            self._take(data)
        except zlib.error as error:
            raise _not_compressed(str(error)) from None

    def expect(self, size: int) -> None:
        """Refuses a body that announces more than the limit, before any of it is read."""
        if size > self._limit:
            raise self._too_large()

    def whole(self) -> bytes:
        """Returns all of it, once nothing more comes."""
        for decoder in self._decoders:
            decoder.check_beginning()
        if not all(decoder.is_complete() for decoder in self._decoders):
            raise ConnectionLost("the reply's compressed body is cut short")
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def _add(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise self._too_large()
        if data:
            self._chunks.append(data)

    def _too_large(self) -> ResponseTooLarge:
        return ResponseTooLarge(f"the reply has more than {self._limit:,} bytes, this transport's max_response")


def _codings(header: str) -> list[str]:
    """Returns the codings that a Content-Encoding header names and that are to be undone.

    Some servers write a charset there, or "none": what is no coding is passed over. The error names only what is on
    our own list, since a server could repeat a token in the header.
    """
    names = [name.strip(" \t").lower() for name in header.split(",")]
    for name in names:
        if name in _UNREAD:
            raise DecodeError(f"the reply is compressed with {name}, which was not asked for and can't be undone here")
    codings = [name.removeprefix("x-") for name in names if name in ("gzip", "x-gzip", "deflate")]
    if len(codings) > _MOST:
        raise DecodeError(f"the reply is compressed {len(codings)} times over")
    return codings


def _not_compressed(reason: str) -> DecodeError:
    return DecodeError(f"the reply's header says that the body is compressed, but it can't be decompressed: {reason}")


class _Decoder:
    """Undoes one coding, and hands on what comes out, at most a quarter of a MiB at once."""

    def __init__(self, is_deflate: bool, hand_on: Callable[[bytes], None]) -> None:
        self._is_deflate = is_deflate
        self._hand_on = hand_on
        self._inflate: zlib._Decompress | None = None
        self._held = b""  # a single byte: too few to tell what it begins
        self._members = 0
        self._is_over = False

    def feed(self, data: bytes) -> None:
        while data and not self._is_over:
            if self._inflate is None:
                data, self._held = self._held + data, b""
                if len(data) < len(_MAGIC):
                    self._held = data
                elif self._members and (self._is_deflate or not data.startswith(_MAGIC)):
                    self._is_over = True  # a gzip stream may have several members; what else follows one is padding
                else:
                    self._inflate = zlib.decompressobj(self._container(data))
            if self._inflate is None:
                return
            data = self._decompress(self._inflate, data)

    def is_complete(self) -> bool:
        """Whether the stream has ended where it may: after a member, or before anything came."""
        return self._inflate is None and (self._members > 0 or not self._held)

    def check_beginning(self) -> None:
        """Raises DecodeError where the only byte that has come begins no gzip stream."""
        if self._held and not self._members and not self._is_deflate and not _MAGIC.startswith(self._held):
            raise _not_compressed("it does not begin as gzip does")

    def _decompress(self, inflate: zlib._Decompress, data: bytes) -> bytes:
        """Hands on what the bytes come to, and returns those that follow the end of a member."""
        while not inflate.eof:
            piece = inflate.decompress(data, _PIECE)
            self._hand_on(piece)
            data = inflate.unconsumed_tail
            if not data and len(piece) < _PIECE and not inflate.eof:
                return b""
        self._inflate = None
        self._members += 1
        return inflate.unused_data

    def _container(self, start: bytes) -> int:
        """The word deflate means a zlib stream, but some servers leave its wrapping out: the first two bytes tell."""
        if not self._is_deflate:
            return _GZIP
        return _ZLIB if start[0] & 15 == 8 and int.from_bytes(start[:2], "big") % 31 == 0 else _RAW
