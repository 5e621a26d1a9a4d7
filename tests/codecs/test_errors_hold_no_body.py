"""A codec's error keeps neither the document nor the value alive: not in its frames, not in its causes."""

from __future__ import annotations

import gc
import sys
import traceback
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import altcraft
from altcraft import DecodeError, EncodeError
from altcraft.codecs.json import JsonCodec
from altcraft.codecs.xml import XmlCodec
from altcraft.schema import Envelope, TaskStarted
from altcraft.wire.secret import MaskedDict

Codec = JsonCodec | XmlCodec
each_codec = pytest.mark.parametrize(
    "make", [JsonCodec, XmlCodec, lambda: XmlCodec(fast_path=False)], ids=["json", "xml", "general"]
)

FILLER = "x" * 100_000
DOCUMENTS = {
    "cut short in JSON": f'{{"data":{{"task_id":"{FILLER}'.encode(),
    "cut short in XML": f"<xml><data><task_id>{FILLER}".encode(),
    "another shape in JSON": f'{{"error":"{FILLER}","data":null}}'.encode(),
    "another shape in XML": f"<xml><error>{FILLER}</error></xml>".encode(),
    "another root": f"<html>{FILLER}</html>".encode(),
    "a document type": f"<!DOCTYPE xml><xml>{FILLER}</xml>".encode(),
    "bytes that are not UTF-8": b'{"data":"' + b"\xff" * 100_000 + b'"}',
    "bytes that are not UTF-8 in XML": b"<xml>" + b"\xff" * 100_000 + b"</xml>",
    "an unknown encoding": f"<?xml version='1.0' encoding='x'?><xml>{FILLER}</xml>".encode(),
    "UTF-16": f"<xml><error>{FILLER}</error></xml>".encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + f'{{"error":"{FILLER}"}}'.encode(),
    "deep nesting in JSON": b'{"data":' * 20_000,
    "deep nesting in XML": b"<xml>" + b"<data>" * 20_000 + b"</data>" * 20_000 + b"</xml>",
    "an element twice": f"<xml><error>0</error><error>0</error><x>{FILLER}</x></xml>".encode(),
    "white space": b" " * 100_000,
}


PACKAGE = str(Path(altcraft.__file__).parent)


def chain(error: BaseException | None) -> list[BaseException]:
    """An error with all its causes and contexts."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def refusal(act: Callable[[], object]) -> DecodeError | EncodeError:
    try:
        act()
    except (DecodeError, EncodeError) as error:
        return error
    pytest.fail("nothing was refused")


@each_codec
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_decode_error_does_not_keep_the_document_alive(make: Callable[[], Codec], name: str) -> None:
    codec = make()
    data = DOCUMENTS[name][:-1] + DOCUMENTS[name][-1:]  # an object of its own
    refusal(lambda: codec.decode(data, Envelope[TaskStarted]))
    gc.collect()
    before = sys.getrefcount(data)
    errors = [refusal(lambda: codec.decode(data, Envelope[TaskStarted])) for _ in range(5)]
    gc.collect()
    held = sys.getrefcount(data) - before
    assert held == 0
    for error in errors:
        assert len(str(error)) < 600
        assert len(chain(error)) == 1
        frames = [
            frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename.startswith(PACKAGE)
        ]
        assert len(frames) == 1
        assert all(len(repr(value)) < 1000 for frame in frames for value in frame.f_locals.values())


@each_codec
def test_the_bytes_of_many_errors_are_free(make: Callable[[], Codec]) -> None:
    codec = make()
    sign = b"<" if isinstance(codec, XmlCodec) else b"{"
    refusal(lambda: codec.decode(sign, Envelope[TaskStarted]))
    tracemalloc.start()
    try:
        errors = [refusal(lambda: codec.decode(sign * (1 << 20), Envelope[TaskStarted])) for _ in range(20)]
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(errors) == 20
    assert kept < 1 << 20


UNWRITABLE: list[Any] = [object(), "\ud800", 2**70_000, [[[1]], {1j}]]


@each_codec
@pytest.mark.parametrize("unfit", UNWRITABLE, ids=["object", "surrogate", "integer", "complex"])
def test_an_encode_error_shows_no_other_part_of_the_value(make: Callable[[], Codec], unfit: object) -> None:
    token = "a-token-that-is-secret"
    codec = make()
    error = refusal(lambda: codec.encode(MaskedDict({"token": token, "unfit": unfit})))
    assert len(chain(error)) == 1
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename.startswith(PACKAGE):
            assert all(token not in repr(value) for value in frame.f_locals.values() if not isinstance(value, dict))
            assert all(isinstance(value, MaskedDict) for value in frame.f_locals.values() if isinstance(value, dict))
