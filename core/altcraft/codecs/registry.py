"""The codec protocol, and the registry that finds a codec by name, by content type or by a document's first byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar, runtime_checkable

from altcraft.codecs.json import JsonCodec
from altcraft.codecs.xml import XmlCodec

__all__ = ["Codec", "CodecRegistry", "Preparing", "default_registry"]

T = TypeVar("T")


class Codec(Protocol):
    """Turns values into documents and back. Threads share one object, and no call influences the next.

    Two more methods are optional: `prepare` (see `Preparing`) and, for a text format, `recode` (see `Recoding`). See
    docs/how-to/writing-a-codec.md.
    """

    @property
    def name(self) -> str:
        """The name in `Client(codec=…)` and in the requests' field `format`."""
        ...

    @property
    def content_types(self) -> tuple[str, ...]:
        """The media types that it reads, in lower case and without parameters. Requests are sent with the first."""
        ...

    def encode(self, value: object) -> bytes:
        """The document for a struct, or for what structs are made of. EncodeError for what the format can't express."""
        ...

    def decode(self, data: bytes, type: type[T]) -> T:
        """The value of a document, as a `type`. DecodeError for all other bytes."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """A codec that can be asked whether it reads a type, before there is a document."""

    def prepare(self, type: type[T]) -> None:
        """TypeError, with the reason, for a type that the codec can't read. What it prepares for the type is kept."""
        ...


class CodecRegistry:
    """The codecs that a client knows. Plugins add theirs while the client is made."""

    def __init__(self) -> None:
        self._by_name: dict[str, Codec] = {}
        self._by_content_type: dict[str, Codec] = {}
        self._by_first_byte: dict[int, Codec] = {}

    def register(self, codec: Codec, first_bytes: bytes = b"") -> None:
        """Add a codec; it replaces the one with the same name.

        `first_bytes` are the bytes with which its documents begin, and no document of another format does. The client
        uses them for a reply whose Content-Type does not tell the format. Leave them out where there are none.
        """
        replaced = self._by_name.get(codec.name)
        for table in (self._by_content_type, self._by_first_byte):
            for key in [key for key, known in table.items() if known is replaced]:
                del table[key]  # type: ignore[arg-type]  # a key of its own table
        self._by_name[codec.name] = codec
        self._by_content_type.update(dict.fromkeys(codec.content_types, codec))
        self._by_first_byte.update(dict.fromkeys(first_bytes, codec))

    def by_name(self, name: str) -> Codec:
        """The codec with that name. LookupError, with the known names, where there is none."""
        try:
            return self._by_name[name]
        except KeyError:
            raise LookupError(f"no codec is named {name!r}; known: {', '.join(sorted(self._by_name))}") from None

    def by_content_type(self, content_type: str) -> Codec | None:
        """The codec for a Content-Type header, which may have parameters; None where no codec reads that type."""
        media_type = content_type.partition(";")[0].strip().lower()
        codec = self._by_content_type.get(media_type)
        if codec is None and "+" in media_type:  # such as application/problem+json, RFC 6839
            codec = self._by_name.get(media_type.rpartition("+")[2])
        return codec

    def sniff(self, data: bytes) -> Codec | None:
        """The codec whose documents begin like `data`, after white space and a byte order mark; or None."""
        start = data.lstrip(b"\xef\xbb\xbf\xfe\xff\x00 \t\r\n")[:1]  # the NUL is half of a space in UTF-16
        return self._by_first_byte.get(start[0]) if start else None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Codec]:
        return iter(self._by_name.values())


def default_registry() -> CodecRegistry:
    """A new registry with JSON and XML."""
    registry = CodecRegistry()
    registry.register(JsonCodec(), first_bytes=b'{["')
    registry.register(XmlCodec(), first_bytes=b"<")
    return registry
