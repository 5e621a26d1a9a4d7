"""What codecs keep for each type: found again, bounded, and made once."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from altcraft.codecs import default_registry
from altcraft.codecs.json import JsonCodec
from altcraft.codecs.per_type import PerType
from altcraft.codecs.xml import XmlCodec
from altcraft.schema import Envelope
from golden import EXAMPLES, Example


class Moment(msgspec.Struct):
    """An object with a number."""

    number: int = 0


def test_a_type_that_is_written_again_is_found_and_takes_no_more_room() -> None:
    made: list[object] = []

    def make(type_: object) -> object:
        made.append(type_)
        return object()

    per_type = PerType(make)
    for _ in range(5_000):
        per_type.find(dict[str, list[int]])
    assert len(made) == 1
    assert len(per_type.known) < 1_000


def test_the_tables_are_bounded() -> None:
    per_type = PerType(lambda type_: object())
    for number in range(2_000):
        per_type.find(Annotated[int, msgspec.Meta(gt=number)])
    assert len(per_type.known) < 1_000
    assert len(per_type._by_equality) < 1_000


@pytest.mark.parametrize("codec", list(default_registry()), ids=lambda codec: codec.name)
def test_a_type_without_a_hash_is_read(codec: XmlCodec | JsonCodec) -> None:
    type_: Any = Annotated[Moment, {"no": "hash"}]
    for _ in range(3):
        assert codec.decode(codec.encode(Moment(5)), type_) == Moment(5)


@pytest.mark.parametrize("golden", EXAMPLES, ids=lambda golden: golden.file.name)
def test_a_generic_type_made_anew_reads_every_example_alike(golden: Example) -> None:
    if golden.type.__name__ == "Envelope":
        codec = golden.codec
        first = codec.decode(golden.body, golden.type)
        again: Any = Envelope[golden.type.__args__]  # type: ignore[attr-defined]
        assert codec.decode(golden.body, again) == first
