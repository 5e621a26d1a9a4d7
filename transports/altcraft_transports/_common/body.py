"""A reply's body, collected and decompressed under a limit: for the transports that read for themselves."""

from __future__ import annotations

import zlib

from altcraft.errors import ConnectionLost, ResponseTooLarge

__all__ = ["ACCEPTED", "MAX_RESPONSE", "Body"]

ACCEPTED = "gzip, deflate"
"""What to ask for with Accept-Encoding."""

MAX_RESPONSE = 64 << 20
"""Bytes, after decompression, that a transport takes unless it is told otherwise."""

_PIECE = 1 << 18
_GZIP, _ZLIB, _RAW = 31, 15, -15  # as zlib numbers its containers


class Body:
    """Takes bytes as they come off the wire; `coding` is the reply's Content-Encoding, `limit` counts what comes out.

    More than `limit` bytes are ResponseTooLarge, as soon as they are there: a small reply that would become a huge
    one costs no memory. Bytes that can't be decompressed are ConnectionLost, and so is a stream that ends too early.
    """

    def __init__(self, limit: int, coding: str | None = None) -> None:
        self._limit = limit
        self._left = limit
        self._chunks: list[bytes] = []
        self._inflate: zlib._Decompress | None = None
        self._is_new = True
        self._container = 0
        coding = coding.strip().lower() if coding else "identity"
        if coding != "identity":
            containers = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
            if coding not in containers:
                raise ConnectionLost(f"the reply is coded as {coding[:40]!r}, which was not asked for")
            self._container = containers[coding]
            self._inflate = zlib.decompressobj(self._container)

    def feed(self, data: bytes) -> None:
        """Takes the next bytes."""
        if self._inflate is None:
            self._add(data)
            return
        try:
            while data:
                data = self._decompress(data)
        except zlib.error as error:
            raise ConnectionLost(f"the reply can't be decompressed: {error}") from error

    def expect(self, size: int) -> None:
        """Refuses a body that announces more than the limit, before any of it is read."""
        if size > self._limit:
            raise self.too_large(self._limit)

    def whole(self) -> bytes:
        """All of it, once nothing more comes."""
        if self._inflate is not None and not (self._inflate.eof or self._is_new):
            raise ConnectionLost("the reply's compressed body is cut short")
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def _decompress(self, data: bytes) -> bytes:
        """Adds what the next bytes come to, piece by piece; gives back those that are still to do."""
        assert self._inflate is not None
        if self._inflate.eof:  # gzip allows several members in a row
            self._inflate = zlib.decompressobj(self._container)
        try:
            self._add(self._inflate.decompress(data, _PIECE))
        except zlib.error:
            if self._container != _ZLIB or not self._is_new:
                raise
            # "deflate" means a zlib stream, but some senders leave its wrapping out.
            self._container = _RAW
            self._inflate = zlib.decompressobj(_RAW)
            self._add(self._inflate.decompress(data, _PIECE))
        self._is_new = False
        return self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail

    def _add(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise self.too_large(self._limit)
        if data:
            self._chunks.append(data)

    @staticmethod
    def too_large(limit: int) -> ResponseTooLarge:
        """The error of a reply that exceeds the limit."""
        return ResponseTooLarge(f"the reply has more than {limit:,} bytes, this transport's max_response")
