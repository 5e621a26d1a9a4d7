"""The registry: a codec by its name, by a Content-Type header, by how a document begins."""

from __future__ import annotations

from typing import TypeVar

import pytest

from altcraft.codecs import Codec, CodecRegistry, default_registry

T = TypeVar("T")


class FakeCodec:
    """A codec that only has a name and types."""

    def __init__(self, name: str, *content_types: str) -> None:
        self.name = name
        self.content_types = content_types

    def encode(self, value: object) -> bytes:
        return repr(value).encode()

    def decode(self, data: bytes, type: type[T]) -> T:
        return type()


def named(codec: Codec | None) -> str | None:
    return codec.name if codec is not None else None


def test_json_and_xml_are_there_from_the_start() -> None:
    assert [codec.name for codec in default_registry()] == ["json", "xml"]


@pytest.mark.parametrize(("name", "sent"), [("json", "application/json"), ("xml", "application/xml")])
def test_a_codec_is_found_by_name_and_knows_what_it_is_sent_under(name: str, sent: str) -> None:
    assert default_registry().by_name(name).content_types[0] == sent


@pytest.mark.parametrize("name", ["yaml", "", "JSON", "application/json"])
def test_an_unknown_name_is_a_look_up_error_with_the_known_ones(name: str) -> None:
    with pytest.raises(LookupError, match="known: json, xml"):
        default_registry().by_name(name)


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("application/json", "json"),
        ("Application/JSON", "json"),
        ("application/json; charset=utf-8", "json"),
        ("application/json;charset=utf-8", "json"),
        (" application/json ; a=b; c", "json"),
        ("text/json", "json"),
        ("application/problem+json", "json"),
        ("application/hal+JSON; x=y", "json"),
        ("application/xml", "xml"),
        ("text/xml; charset=utf-8", "xml"),
        ("application/soap+xml", "xml"),
        ("application/octet-stream", None),
        ("text/html", None),
        ("text/plain", None),
        ("application/msgpack", None),
        ("application/x+yaml", None),
        ("json", None),
        ("", None),
        (";", None),
        ("+", None),
    ],
)
def test_a_content_type_header_leads_to_its_codec_parameters_and_all(content_type: str, name: str | None) -> None:
    assert named(default_registry().by_content_type(content_type)) == name


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b'{"error":0}', "json"),
        (b"[]", "json"),
        (b'"text"', "json"),
        (b" \r\n\t{}", "json"),
        (b"\xef\xbb\xbf{}", "json"),
        (b"\xef\xbb\xbf \n[1]", "json"),
        (b"<xml/>", "xml"),
        (b'\n<?xml version="1.0"?><xml/>', "xml"),
        (b"\xef\xbb\xbf<xml/>", "xml"),
        ("<xml/>".encode("utf-16"), "xml"),
        ("<xml/>".encode("utf-16-le"), "xml"),
        ("<xml/>".encode("utf-16-be"), "xml"),
        (b"\n" * 40 + b"{}", "json"),
        (b"", None),
        (b"  ", None),
        (b"\xef\xbb\xbf", None),
        (b"Bad Gateway", None),
        (b"0", None),
        (b"\x80\x81", None),
    ],
)
def test_a_document_is_known_by_how_it_begins(data: bytes, name: str | None) -> None:
    assert named(default_registry().sniff(data)) == name


def test_a_new_codec_is_found_by_everything_that_it_was_registered_with() -> None:
    registry = default_registry()
    yaml = FakeCodec("yaml", "application/yaml", "text/yaml")
    registry.register(yaml, first_bytes=b"-%")
    assert registry.by_name("yaml") is yaml
    assert registry.by_content_type("text/yaml; charset=utf-8") is yaml
    assert registry.by_content_type("application/openapi+yaml") is yaml
    assert registry.sniff(b"- a: 1") is registry.sniff(b"%YAML") is yaml
    assert named(registry.sniff(b"{}")) == "json"
    assert [codec.name for codec in registry] == ["json", "xml", "yaml"]


def test_a_codec_without_first_bytes_is_never_guessed() -> None:
    registry = CodecRegistry()
    registry.register(FakeCodec("any", "application/any"))
    assert registry.sniff(b"{}") is None


def test_a_codec_of_a_known_name_takes_its_place() -> None:
    registry = default_registry()
    faster = FakeCodec("json", "application/json", "text/json")
    registry.register(faster, first_bytes=b'{["')
    assert registry.by_name("json") is registry.by_content_type("text/json") is registry.sniff(b"[]") is faster
    assert list(registry).count(faster) == 1
    assert len(list(registry)) == 2


def test_registries_do_not_share_what_is_registered() -> None:
    one, other = default_registry(), default_registry()
    one.register(FakeCodec("yaml", "application/yaml"))
    with pytest.raises(LookupError):
        other.by_name("yaml")
