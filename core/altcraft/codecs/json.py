"""JSON, by msgspec, straight into the structs."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from altcraft.errors import DecodeError, EncodeError

__all__ = ["JsonCodec"]

T = TypeVar("T")

BOM = b"\xef\xbb\xbf"


class JsonCodec:
    """JSON as RFC 8259 has it, in UTF-8; a byte order mark before it is passed over.

    Types are strict: a string is no number. A null where the schema has no null counts as absent, since that is how
    some writers put an empty list or a missing object.
    """

    name = "json"
    content_types: tuple[str, ...] = ("application/json", "text/json")

    def __init__(self) -> None:
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
        self._encode = msgspec.json.Encoder().encode

    def encode(self, value: object) -> bytes:
        """Compact JSON. EncodeError where a value has no JSON form."""
        try:
            return self._encode(value)
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            raise EncodeError(f"not expressible in JSON: {error}") from error

    def decode(self, data: bytes, type: type[T]) -> T:
        """The document as a `type`. DecodeError for everything else that bytes can be."""
        decoder = self._decoders.get(type)
        if decoder is None:
            decoder = self._decoders[type] = msgspec.json.Decoder(type)
        if data[:3] == BOM:
            data = data[3:]
        try:
            return decoder.decode(data)  # type: ignore[no-any-return]  # the decoder was made for `type`
        except msgspec.ValidationError as error:
            return self._decode_without_nulls(data, type, error)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise DecodeError(f"not JSON: {error}") from None

    def _decode_without_nulls(self, data: bytes, type: type[T], first: msgspec.ValidationError) -> T:
        """Second reading, of what the schema refused: nulls are taken for absent. The first refusal is reported."""
        try:
            return msgspec.convert(_drop_nulls(msgspec.json.decode(data)), type, str_keys=True)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise DecodeError(f"JSON of another shape: {first}") from None


def _drop_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _drop_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_drop_nulls(item) for item in value]
    return value
