"""The codec contract: a pytest class that tests any codec, of any format. See docs/how-to/writing-a-codec.md.

The tests ask only for what follows from the codec protocol. The codec itself makes all documents, so that no format's
way of writing is taken for granted. This module does not import pytest.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from altcraft.codecs import Codec, Preparing, Recoding, default_registry
from altcraft.errors import DecodeError, EncodeError
from altcraft.schema import Envelope, Feedback, SegmentsGetCounters, SegmentStatistics, TaskStarted, TaskStatus
from altcraft.testing.codec_samples import REPLIES, SAMPLES
from altcraft.testing.contract import Contract
from altcraft.testing.waivers import CODEC

__all__ = ["CodecContract"]

_THREADS = 16


class CodecContract(Contract):
    """Subclass it in a test module, and give it your codec in a fixture::

        class TestMessagePack(CodecContract):
            first_bytes = bytes(range(0x80, 0x90))

            @pytest.fixture
            def codec(self) -> MessagePack:
                return MessagePack()

    Make a new codec for each test: a test lets many threads use it at once for the first time. `first_bytes` are those
    that the codec is registered with; leave them empty if it is registered without. `waivers` lists the cases that are
    skipped then, and for a codec without the optional methods.
    """

    waivers = CODEC
    first_bytes = b""

    # Names.

    def test_it_has_a_name_and_content_types(self, codec: Codec) -> None:
        assert isinstance(codec.name, str), f"the name is {codec.name!r}"
        assert codec.name, "the name is empty"
        assert isinstance(codec.content_types, tuple), f"content_types is {codec.content_types!r}, not a tuple"
        assert codec.content_types, "content_types is empty"
        for content_type in codec.content_types:
            assert content_type == content_type.lower().strip(), f"{content_type!r}: in lower case"
            assert content_type.count("/") == 1, f"{content_type!r}: a type and a subtype"
            assert ";" not in content_type, f"{content_type!r}: without parameters"

    def test_a_registry_finds_it_by_name_and_by_content_type(self, codec: Codec) -> None:
        registry = default_registry()
        registry.register(codec, self.first_bytes)
        assert registry.by_name(codec.name) is codec
        for content_type in codec.content_types:
            assert registry.by_content_type(f"{content_type.upper()}; charset=utf-8") is codec, content_type

    def test_its_documents_are_known_by_their_first_bytes(self, codec: Codec) -> None:
        if not self.first_bytes:
            self.waive("first bytes")
        registry = default_registry()
        others = [other for other in registry if other.name != codec.name]
        registry.register(codec, self.first_bytes)
        for value, _type in SAMPLES:
            document = codec.encode(value)
            assert registry.sniff(document) is codec, f"not sniffed: {document[:20]!r}"
            for other in others:
                assert registry.sniff(other.encode(value)) is other, f"its first bytes are those of {other.name} too"

    # Values.

    def test_what_it_writes_it_reads(self, codec: Codec) -> None:
        for value, type_ in SAMPLES:
            document = codec.encode(value)
            assert isinstance(document, bytes), f"encode gave {type(document).__name__}, not bytes"
            read = codec.decode(document, type_)
            assert read == value, f"{value!r} came back as {read!r}"
            assert type(read) is type(value), f"{type(value)} came back as {type(read)}"

    def test_what_it_reads_has_the_declared_type_throughout(self, codec: Codec) -> None:
        for value, type_ in SAMPLES:
            read = codec.decode(codec.encode(value), type_)
            assert msgspec.convert(msgspec.to_builtins(read), type_) == value, f"not a {type_}: {read!r}"

    def test_it_writes_dicts_as_it_writes_structs(self, codec: Codec) -> None:
        for value, type_ in SAMPLES:
            assert codec.decode(codec.encode(msgspec.to_builtins(value)), type_) == value, (
                f"written as a dict: {value!r}"
            )

    # Tolerance.

    def test_unknown_fields_are_passed_over(self, codec: Codec) -> None:
        unknown = {"new": {"deep": [{"x": 1}, {"x": "2"}]}, "list": ["a", "b"], "nothing": None, "flag": True}
        for value, type_ in REPLIES:
            wire = msgspec.to_builtins(value)
            assert codec.decode(codec.encode({**unknown, **wire}), type_) == value, "unknown fields in front"
            assert codec.decode(codec.encode({**wire, **unknown}), type_) == value, "unknown fields behind"

    def test_fields_come_in_any_order(self, codec: Codec) -> None:
        for value, type_ in SAMPLES:
            backwards = _backwards(msgspec.to_builtins(value))
            assert codec.decode(codec.encode(backwards), type_) == value, f"in reverse: {value!r}"

    def test_optional_fields_may_be_absent(self, codec: Codec) -> None:
        status = codec.decode(codec.encode({"data": {"status": "new"}, "error": 0}), Envelope[TaskStatus[list[str]]])
        assert status == Envelope(data=TaskStatus("new"), error=0)
        statistics = codec.decode(codec.encode({"list_id": 3}), SegmentStatistics)
        assert statistics == SegmentStatistics(list_id=3)
        assert codec.decode(codec.encode({"error": 7}), Envelope[TaskStarted]) == Envelope(error=7)

    def test_a_missing_or_mistyped_field_is_a_decode_error(self, codec: Codec) -> None:
        for wire in ({}, {"url": {"a": 1}}, {"type": "JSON"}):
            assert _refuses(codec, codec.encode(wire), Feedback), f"{wire} was read as a Feedback"
        for wrong in ("seven", {"a": 1}, 1.5):
            assert _refuses(codec, codec.encode({"id": wrong, "resource_id": 1}), SegmentsGetCounters), f"id: {wrong!r}"

    # Optional methods.

    def test_it_prepares_every_type_that_it_reads_and_refuses_one_that_it_cannot(self, codec: Codec) -> None:
        if not isinstance(codec, Preparing):
            self.waive("prepare")
        for value, type_ in SAMPLES:
            codec.prepare(type_)
            assert codec.decode(codec.encode(value), type_) == value, f"prepared: {type_}"
        try:
            codec.prepare(Envelope[_Unknown])
        except TypeError as error:
            assert "_Unknown" in str(error), f"the error does not name the class: {error}"
        else:
            raise AssertionError("a class that no document can be read as was prepared")

    def test_it_recodes_documents_from_the_charset_of_the_header(self, codec: Codec) -> None:
        if not isinstance(codec, Recoding):
            self.waive("recode")
        for value, type_ in SAMPLES:
            document = codec.encode(value)
            text = document.decode()
            for charset in ("utf-8", "UTF-8", "utf-16", "utf-16-le", "utf-16-be"):
                recoded = codec.recode(text.encode(charset), charset)
                assert codec.decode(recoded, type_) == value, f"from {charset}: {value!r}"
            marked = codec.recode(text.encode("utf-16"), "iso-8859-1")
            assert codec.decode(marked, type_) == value, "a byte order mark does not win over the header"
            for odd in (None, "x-unknown", "us-ascii"):
                assert codec.decode(codec.recode(document, odd), type_) == value, f"under {odd}: {value!r}"

    # Hostile documents.

    def test_any_bytes_give_a_value_or_a_decode_error(self, codec: Codec) -> None:
        documents = [codec.encode(value) for value, _type in SAMPLES]
        types = list(dict.fromkeys(type_ for _value, type_ in SAMPLES))
        for number, data in enumerate(_hostile(documents)):
            type_ = types[number % len(types)]
            try:
                codec.decode(data, type_)
                message = ""
            except DecodeError as error:
                message = str(error)
            except BaseException as error:
                raise AssertionError(f"{data[:200]!r} raised {error!r}, not DecodeError") from error
            assert len(message) < 1000, f"an error of {len(message)} characters: {message[:200]!r}…"

    def test_a_document_cut_short_or_empty_is_refused(self, codec: Codec) -> None:
        for value, type_ in SAMPLES:
            document = codec.encode(value)
            assert _refuses(codec, b"", type_), "nothing was read as a document"
            assert _refuses(codec, document[: len(document) // 2], type_), f"half of {document!r} was read"

    def test_a_document_with_more_behind_it_is_refused(self, codec: Codec) -> None:
        for value, type_ in SAMPLES:
            document = codec.encode(value)
            for rest in (document, b"\0"):
                assert _refuses(codec, document + rest, type_), f"read in spite of {rest!r} behind it: {document!r}"

    def test_what_it_cannot_write_is_an_encode_error(self, codec: Codec) -> None:
        itself: dict[str, object] = {}
        itself["itself"] = itself
        for value in ({"x": object()}, {"x": len}, itself):
            try:
                codec.encode(value)
            except EncodeError:
                continue
            raise AssertionError("a value that no format can express was written")

    def test_a_value_that_not_every_format_has_is_written_or_an_encode_error(self, codec: Codec) -> None:
        nested: object = "core"
        for _ in range(100_000):
            nested = {"x": nested}
        values = [nested, {"x": 10**30}, {"x": "\ud800"}, {"x": "\0\ufffe"}, {"\0 <": 1}, {"x": [[1], [2]]}]
        for value in [*values, {"x": float("nan")}, {"x": {1: 2}}, {"x": b"\xff"}]:
            try:
                document = codec.encode(value)
            except EncodeError:
                continue
            try:
                codec.decode(document, object)
            except DecodeError:
                continue

    # State.

    def test_it_keeps_nothing_from_one_document_to_the_next(self, codec: Codec) -> None:
        for value, type_ in SAMPLES:
            document = codec.encode(value)
            first = codec.decode(document, type_)
            _spoil(first)
            _refuses(codec, document[1:], type_)
            assert codec.decode(document, type_) == value, "a change to one value shows in the next"
            assert codec.encode(value) == document, "the same value is written in two ways"

    def test_writing_a_value_leaves_it_as_it_was(self, codec: Codec) -> None:
        for value, _type in SAMPLES:
            wire = msgspec.to_builtins(value)
            codec.encode(value)
            assert msgspec.to_builtins(value) == wire, f"changed by being written: {value!r}"
            codec.encode(wire)
            assert wire == msgspec.to_builtins(value), f"changed by being written, as a dict: {wire!r}"

    def test_sixteen_threads_may_share_it(self, codec: Codec) -> None:
        start = threading.Barrier(_THREADS)
        failures: list[BaseException] = []

        def work(seed: int) -> None:
            samples = random.Random(seed).sample(SAMPLES, len(SAMPLES))  # no secret
            start.wait()
            try:
                for value, type_ in samples * 5:
                    document = codec.encode(value)
                    assert codec.decode(document, type_) == value, f"in a thread: {value!r}"
                    _refuses(codec, document[: len(document) // 2], type_)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(_THREADS)]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)  # seconds; by default a thread is hardly ever interrupted inside a document
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        if failures:
            raise failures[0]


class _Unknown:
    """A class that msgspec does not know."""


def _refuses(codec: Codec, data: bytes, type_: type[object]) -> bool:
    try:
        codec.decode(data, type_)
    except DecodeError:
        return True
    return False


def _backwards(value: object) -> object:
    if isinstance(value, dict):
        return {key: _backwards(item) for key, item in reversed(value.items())}
    return [_backwards(item) for item in value] if isinstance(value, list) else value


def _spoil(value: object) -> None:
    """Empty every list and dict in a value."""
    if isinstance(value, Struct):
        for name in value.__struct_fields__:
            _spoil(getattr(value, name))
    elif isinstance(value, (list, dict)):
        for item in list(value.values() if isinstance(value, dict) else value):
            _spoil(item)
        value.clear()


def _hostile(documents: list[bytes]) -> Iterator[bytes]:
    """Cut, flipped, spliced, repeated and random bytes; the same in every run."""
    dice = random.Random(2024)  # no secret
    yield from (b"", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b" ")
    yield from (bytes([byte]) * 20_000 for byte in range(256))  # a format's opening bracket is among them
    for document in documents:
        yield from (document[:end] for end in range(0, len(document), 1 + len(document) // 100))
        yield from (document[:end] * 5_000 for end in range(1, 9))
        yield document + document
        yield document + b"\0"
        for _ in range(200):
            mutant = bytearray(document)
            for _ in range(dice.randint(1, 4)):
                mutant[dice.randrange(len(mutant))] = dice.choice((0, 0x7F, 0x80, 0xC0, 0xFF, dice.randrange(256)))
            yield bytes(mutant)
            other, at = dice.choice(documents), dice.randrange(len(document))
            yield document[:at] + other[dice.randrange(len(other)) :]
    yield from (dice.randbytes(dice.randrange(1, 64)) for _ in range(2_000))
