"""JSON, which msgspec decodes straight into structs. See docs/reference/codecs.md."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import msgspec

from altcraft.codecs.charsets import MARKS, text_of
from altcraft.codecs.json.nulls import Nulls
from altcraft.codecs.limits import MAX_BYTES, MAX_ELEMENTS, check_limits
from altcraft.codecs.per_type import PerType
from altcraft.codecs.readable import check_readable
from altcraft.codecs.refusals import LONGEST_REASON, bare, beyond_limits, too_large, too_many
from altcraft.errors import DecodeError, EncodeError

__all__ = ["JsonCodec"]

T = TypeVar("T")

BOM = b"\xef\xbb\xbf"


class JsonCodec:
    """JSON as RFC 8259 describes it, in UTF-8. A byte order mark in front is passed over.

    Types are strict: a string is not a number. A null that the schema does not allow is an empty array in the place of
    an array, as Go writes one, and counts as absent anywhere else.

    A document beyond `max_bytes` or `max_elements` is a DecodeError. Elements are values of every kind, counted by
    commas and opening brackets. Nesting ends where the interpreter's recursion in C does: 1,000 levels to 10,000.
    """

    name = "json"
    content_types: tuple[str, ...] = ("application/json", "text/json")

    def __init__(self, *, max_bytes: int = MAX_BYTES, max_elements: int = MAX_ELEMENTS) -> None:
        check_limits(max_bytes=max_bytes, max_elements=max_elements)
        self._max_bytes = max_bytes
        self._max_elements = max_elements
        self._surely_fits = min(max_bytes, max_elements * len("0,"))  # bytes
        self._decoders: PerType[Callable[[bytes], Any]] = PerType(_decoder)
        self._known = self._decoders.known
        self._nulls: PerType[Nulls] = PerType(Nulls)
        self._encode = msgspec.json.Encoder().encode

    def encode(self, value: object) -> bytes:
        """Compact JSON. EncodeError for a value that has no form in JSON."""
        try:
            return self._encode(value)
        except (ArithmeticError, AttributeError, NotImplementedError, RecursionError, TypeError, ValueError) as error:
            reason = str(error)[:LONGEST_REASON]
        raise EncodeError(f"not expressible in JSON: {reason}")

    def decode(self, data: bytes, type: type[T]) -> T:
        """The document as a `type`. DecodeError for anything else."""
        try:
            decode = self._known[id(type)][1]
        except KeyError:
            decode = self._decoders.find(type)[1]
        try:
            if len(data) > self._surely_fits:
                self._check_size(data)
            return decode(data)  # type: ignore[no-any-return]  # the decoder was made for `type`
        except (DecodeError, msgspec.MsgspecError, RecursionError, TypeError, ValueError) as error:
            first: Exception = error
        try:
            return self._decode_again(data, type, first)
        except DecodeError as error:
            refusal = bare(error)
        del data, first
        raise refusal

    def prepare(self, type: type[T]) -> None:
        """Make the decoder of a type, which is kept. TypeError, with the reason, for a type that can't be read."""
        self._decoders.find(type)

    def recode(self, data: bytes, charset: str | None) -> bytes:
        """The document in UTF-8, by its byte order mark or by the charset of the Content-Type header."""
        if not data.startswith(MARKS) and (charset is None or charset.lower() in ("utf-8", "utf8")):
            return data
        text = text_of(data, charset)
        return data if text is None else text.encode()

    def _check_size(self, data: bytes) -> None:
        if len(data) > self._max_bytes:
            raise too_large(len(data), self._max_bytes)
        # Each value but the first has a comma or an opening bracket in front. Those inside strings count as well.
        empty = data.count(b"[]") + data.count(b"{}")
        if data.count(b",") + data.count(b"[") + data.count(b"{") - empty >= self._max_elements:
            raise too_many("JSON", self._max_elements)

    def _decode_again(self, data: bytes, type: type[T], first: Exception) -> T:
        """Decodes what was refused first: without a byte order mark, or without the nulls that are not allowed.

        The error is that of the first refusal.
        """
        if isinstance(first, DecodeError):
            raise first
        if isinstance(first, RecursionError):
            raise beyond_limits("JSON nested too deeply")
        if not isinstance(first, (TypeError, msgspec.ValidationError)):  # TypeError: an item of a set without a hash
            if data.startswith(BOM) and not data.startswith(BOM, len(BOM)):
                return self.decode(data[len(BOM) :], type)
            raise DecodeError(f"not JSON: {str(first)[:LONGEST_REASON]}")
        if b"null" in data:
            with suppress(msgspec.MsgspecError, ArithmeticError, RecursionError, TypeError, ValueError):
                return self._decoders.find(type)[1](self._nulls.find(type)[1].replaced(data))  # type: ignore[no-any-return]  # as above
        raise DecodeError(f"JSON of another shape: {str(first)[:LONGEST_REASON]}")


def _decoder(type_: object) -> Callable[[bytes], Any]:
    check_readable(type_)
    return msgspec.json.Decoder(cast("type[Any]", type_)).decode
