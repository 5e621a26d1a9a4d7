"""The built-in codecs and the documented one pass the contract. A codec with a fault fails the test for that fault."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

import altcraft
from altcraft.codecs import Codec, default_registry
from altcraft.testing import CodecContract

T = TypeVar("T")

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "writing-a-codec.md"


def on_the_page() -> dict[str, Any]:
    """The names that the python blocks of the page define."""
    names: dict[str, Any] = {"__name__": "writing_a_codec"}
    for block in PAGE.read_text("utf-8").split("```python\n")[1:]:
        exec(compile(block.partition("```")[0], os.fspath(PAGE), "exec", dont_inherit=True), names)
    return names


PAGES_NAMES = on_the_page()


class TestJson(CodecContract):
    first_bytes = b'{["'

    @pytest.fixture
    def codec(self) -> Codec:
        return default_registry().by_name("json")


class TestXml(CodecContract):
    first_bytes = b"<"

    @pytest.fixture
    def codec(self) -> Codec:
        return default_registry().by_name("xml")


class TestTheDocumentedMessagePack(PAGES_NAMES["TestMessagePack"]):  # type: ignore[misc]  # a class made by the page
    """The subclass on the page, collected here."""


def test_the_documented_codec_has_about_thirty_lines() -> None:
    code = PAGE.read_text("utf-8").split("```python\n")[1].partition("```")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 30


JSON = default_registry().by_name("json")


class Sound:
    """A codec that passes the contract. Each subclass has one fault."""

    name = "sound"
    content_types: Any = ("application/x-sound",)

    def encode(self, value: object) -> bytes:
        return JSON.encode(value)

    def decode(self, data: bytes, type: type[T]) -> T:
        return JSON.decode(data, type)


class Nameless(Sound):
    name = ""


class Shouting(Sound):
    content_types = ("Application/X-Sound",)


class Parametrised(Sound):
    content_types = ("application/x-sound; charset=utf-8",)


class Textual(Sound):
    def encode(self, value: object) -> Any:
        return super().encode(value).decode()


class Forgetful(Sound):
    def decode(self, data: bytes, type: type[T]) -> T:
        value = super().decode(data, type)
        if isinstance(value, altcraft.SegmentStatistics):
            value = msgspec.structs.replace(value, list_id=None)
        return value


class Untyped(Sound):
    def decode(self, data: bytes, type: Any) -> Any:
        super().decode(data, type)
        return msgspec.json.decode(data)


class Leaky(Sound):
    def decode(self, data: bytes, type: type[T]) -> T:
        return msgspec.json.decode(data, type=type)


class Blunt(Sound):
    def encode(self, value: object) -> bytes:
        return msgspec.json.encode(value)


class Obliging(Sound):
    def encode(self, value: object) -> bytes:
        if isinstance(value, dict) and "x" in value:
            return msgspec.json.encode(value, enc_hook=repr)
        return super().encode(value)


class Generous(Sound):
    def decode(self, data: bytes, type: type[T]) -> T:
        return super().decode(data or b'{"error": 0, "id": 1, "resource_id": 2, "task_id": "", "list_id": 1}', type)


class Echoing(Sound):
    def decode(self, data: bytes, type: type[T]) -> T:
        try:
            return super().decode(data, type)
        except altcraft.DecodeError:
            raise altcraft.DecodeError(f"unreadable: {data!r}") from None


class Rigid(Sound):
    def decode(self, data: bytes, type: type[T]) -> T:
        names = list(msgspec.json.decode(data)) if data.endswith(b"}") else []
        if "new" in names or names[:1] == ["format"]:
            raise altcraft.DecodeError("unexpected field")
        return super().decode(data, type)


class Remembering(Sound):
    def __init__(self) -> None:
        self.read: dict[tuple[bytes, object], object] = {}

    def decode(self, data: bytes, type: Any) -> Any:
        if (data, type) not in self.read:
            self.read[data, type] = super().decode(data, type)
        return self.read[data, type]


class Counting(Sound):
    count = 0

    def encode(self, value: object) -> bytes:
        self.count += 1
        return super().encode(value) + b" " * self.count


class OneAtATime(Sound):
    """Keeps the type in an attribute while it reads, like a parser object that is used again."""

    type: Any = None

    def decode(self, data: bytes, type: type[T]) -> T:
        self.type = type
        sum(range(3_000))  # long enough for the thread to be interrupted here
        return super().decode(data, self.type)


class Careless(Sound):
    """Reads a document, and passes over what is behind it."""

    def decode(self, data: bytes, type: type[T]) -> T:
        text, decoder = data.decode("utf-8", "replace"), json.JSONDecoder()
        try:
            end = decoder.raw_decode(text)[1]
        except (ValueError, RecursionError):
            end = len(text)
        return super().decode(text[:end].encode(), type)


class Consuming(Sound):
    """Empties a dict when it writes it."""

    def encode(self, value: object) -> bytes:
        document = super().encode(value)
        if isinstance(value, dict):
            value.clear()
        return document


class Hasty(Sound):
    """Prepares everything, what it can't read included."""

    def prepare(self, type: type[T]) -> None:
        pass


class Deaf(Sound):
    """Has `recode`, and ignores the charset."""

    def recode(self, data: bytes, charset: str | None) -> bytes:
        return data


class Trusting(Sound):
    """Believes the header even where a byte order mark contradicts it."""

    def recode(self, data: bytes, charset: str | None) -> bytes:
        try:
            return data.decode(charset or "utf-8").encode()
        except (LookupError, UnicodeDecodeError):
            return data


class Grabbing(Sound):
    first_bytes = b"<"


@pytest.mark.parametrize(
    ("faulty", "caught_by"),
    [
        (Nameless, "it_has_a_name"),
        (Shouting, "it_has_a_name"),
        (Parametrised, "it_has_a_name"),
        (Textual, "what_it_writes"),
        (Forgetful, "optional_fields"),
        (Untyped, "what_it_writes"),
        (Leaky, "any_bytes_give"),
        (Blunt, "what_it_cannot_write"),
        (Obliging, "what_it_cannot_write"),
        (Generous, "cut_short_or_empty"),
        (Echoing, "any_bytes_give"),
        (Rigid, "unknown_fields"),
        (Rigid, "any_order"),
        (Remembering, "keeps_nothing"),
        (Counting, "keeps_nothing"),
        (Grabbing, "first_bytes"),
        (Careless, "more_behind_it"),
        (Consuming, "leaves_it_as_it_was"),
        (Hasty, "prepares_every_type"),
        (Deaf, "recodes_documents"),
        (Trusting, "recodes_documents"),
    ],
)
def test_a_codec_with_a_fault_fails_the_test_for_it(faulty: type[Sound], caught_by: str) -> None:
    (name,) = (name for name in dir(CodecContract) if name.startswith("test_") and caught_by in name)
    contract = CodecContract()
    contract.first_bytes = getattr(faulty, "first_bytes", b"")
    test: Callable[[object], None] = getattr(contract, name)
    with pytest.raises(Exception):  # noqa: B017, PT011  # each fault leads to another error
        test(faulty())


def test_a_codec_that_threads_cannot_share_fails() -> None:
    with pytest.raises((AssertionError, altcraft.DecodeError)):
        CodecContract().test_sixteen_threads_may_share_it(OneAtATime())


class TestSoundWithoutFirstBytes(CodecContract):
    @pytest.fixture
    def codec(self) -> Codec:
        return Sound()


def test_the_contract_can_be_imported_without_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = None; from altcraft.testing import CodecContract, FakeTransport"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
