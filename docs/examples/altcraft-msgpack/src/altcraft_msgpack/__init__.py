"""MessagePack for altcraft-client: `Client(codec="msgpack")`, for a gateway that speaks it."""

from __future__ import annotations

from typing import TypeVar

import altcraft
import msgspec
from altcraft.codecs import CodecRegistry

__all__ = ["FIRST_BYTES", "MessagePack", "altcraft_register_codecs"]

T = TypeVar("T")

FIRST_BYTES = bytes((*range(0x80, 0x90), 0xDE, 0xDF))
"""A document is a map: these are the bytes with which a map begins."""


class MessagePack:
    """The codec. Thread-safe."""

    name = "msgpack"
    content_types = ("application/msgpack", "application/vnd.msgpack", "application/x-msgpack")

    def encode(self, value: object) -> bytes:
        """Writes a value. EncodeError for one that MessagePack can't express."""
        try:
            return msgspec.msgpack.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise altcraft.EncodeError(f"not expressible in MessagePack: {error}") from None

    def decode(self, data: bytes, type: type[T]) -> T:
        """Reads a value of that type. DecodeError for anything else."""
        try:
            return msgspec.msgpack.decode(data, type=type)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise altcraft.DecodeError(f"not MessagePack: {error}") from None


@altcraft.hookimpl
def altcraft_register_codecs(registry: CodecRegistry) -> None:
    """Adds the codec to a client that is being made."""
    registry.register(MessagePack(), first_bytes=FIRST_BYTES)
