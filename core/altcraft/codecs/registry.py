"""The codec protocol, and the registry: by name, by content type, by the first byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

__all__ = ["Codec", "CodecRegistry", "default_registry"]

T = TypeVar("T")


class Codec(Protocol):
    """Bytes to values and back. Pure, stateless to its users, and safe to share between threads."""

    @property
    def name(self) -> str:
        """What `Client(codec=…)` and the requests' `format` call it."""
        ...

    @property
    def content_types(self) -> tuple[str, ...]:
        """The media types it reads, in lower case and without parameters; the first is the one it is sent under."""
        ...

    def encode(self, value: object) -> bytes:
        """A struct, or what structs are made of, as a document. EncodeError where the format cannot say it."""
        ...

    def decode(self, data: bytes, type: type[T]) -> T:
        """The document as a `type`. DecodeError whatever else the bytes may be."""
        ...


class CodecRegistry:
    """The codecs that a client knows. Filled while the client is made, only read from then on."""

    def __init__(self) -> None:
        self._by_name: dict[str, Codec] = {}
        self._by_content_type: dict[str, Codec] = {}
        self._by_first_byte: dict[int, Codec] = {}

    def register(self, codec: Codec, first_bytes: bytes = b"") -> None:
        """Adds a codec, or replaces the one of that name.

        `first_bytes` are the bytes with which its documents, and no other format's, may begin: for replies that come
        without a telling Content-Type. Leave them out where that can't be said.
        """
        replaced = self._by_name.get(codec.name)
        for table in (self._by_content_type, self._by_first_byte):
            for key in [key for key, known in table.items() if known is replaced]:
                del table[key]  # type: ignore[arg-type]  # a key of its own table
        self._by_name[codec.name] = codec
        self._by_content_type.update(dict.fromkeys(codec.content_types, codec))
        self._by_first_byte.update(dict.fromkeys(first_bytes, codec))

    def by_name(self, name: str) -> Codec:
        """The codec of that name. LookupError, with the known names, where there is none."""
        try:
            return self._by_name[name]
        except KeyError:
            raise LookupError(f"no codec is named {name!r}; known: {', '.join(sorted(self._by_name))}") from None

    def by_content_type(self, content_type: str) -> Codec | None:
        """The codec for a Content-Type header, parameters and all; None where no codec claims it."""
        media_type = content_type.partition(";")[0].strip().lower()
        codec = self._by_content_type.get(media_type)
        if codec is None and "+" in media_type:  # application/problem+json and the like, RFC 6839
            codec = self._by_name.get(media_type.rpartition("+")[2])
        return codec

    def sniff(self, data: bytes) -> Codec | None:
        """The codec whose documents begin like `data`, white space and a byte order mark aside; or None."""
        start = data.lstrip(b"\xef\xbb\xbf\xfe\xff\x00 \t\r\n")[:1]  # the NUL: UTF-16's other half
        return self._by_first_byte.get(start[0]) if start else None

    def __iter__(self) -> Iterator[Codec]:
        return iter(self._by_name.values())


def default_registry() -> CodecRegistry:
    """A fresh registry with JSON and XML."""
    from altcraft.codecs.json import JsonCodec
    from altcraft.codecs.xml import XmlCodec

    registry = CodecRegistry()
    registry.register(JsonCodec(), first_bytes=b'{["')
    registry.register(XmlCodec(), first_bytes=b"<")
    return registry
