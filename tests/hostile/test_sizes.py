"""Deep, wide and long documents: time grows as the document does, memory stays bounded, and nothing crashes.

One child process decodes all the documents of a codec. hostile/bulk.py makes the documents.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from hostile.bulk import JSON, MAKERS, XML
from hostile.child import in_child

pytestmark = pytest.mark.slow

SMALL, LARGE = 40_000, 320_000
HEAVY = bool(os.environ.get("ALTCRAFT_HEAVY_TESTS"))
EVERY = [*(("xml", name) for name in XML), *(("json", name) for name in JSON)]
SOME = [("xml", "results"), ("xml", "nested results"), ("xml", "a huge text of entities"), ("json", "nulls")]
FAIR = ("value", "DecodeError", "UnsafeXml")

_figures: dict[str, Any] = {}


def figures(codec: str, name: str) -> Any:
    """The figures for a document. The first call for a codec measures all its documents."""
    if codec not in _figures:
        try:
            _figures[codec] = in_child("bulk:growth", codec, [SMALL, LARGE], timeout=240)
        except AssertionError as error:
            _figures[codec] = error
    if isinstance(_figures[codec], AssertionError):
        raise _figures[codec]
    return _figures[codec][name]


each_document = pytest.mark.parametrize(
    ("codec", "name"), [(codec, name) for codec in MAKERS for name in MAKERS[codec]]
)


@each_document
def test_eight_times_the_size_takes_no_more_than_eight_times_the_time(codec: str, name: str) -> None:
    small, large = figures(codec, name)
    # Quadratic time would be 64 times as long. The rest allows for caches, allocation and a busy machine.
    allowed = 4 * (large["size"] / small["size"]) * small["seconds"] + 0.02
    assert large["seconds"] <= allowed, f"{small['seconds']:.4f} s, then {large['seconds']:.4f} s"


@each_document
def test_memory_stays_in_proportion_to_the_document(codec: str, name: str) -> None:
    for measured in figures(codec, name):
        assert measured["gained"] <= 100 * measured["size"] + (16 << 20)


@each_document
def test_a_document_is_read_or_refused_alike_in_both_sizes(codec: str, name: str) -> None:
    small, large = figures(codec, name)
    for type_name, came in small["outcomes"].items():
        assert came in FAIR
        assert large["outcomes"][type_name] in (came, "DecodeError")  # a limit may refuse the large one


@pytest.mark.parametrize("type_name", ["statistics", "export", "untyped"])
@pytest.mark.parametrize("depth", [100, 10_000, 1_000_000])
@pytest.mark.parametrize("codec", ["json", "xml"])
def test_nesting_is_read_or_refused(codec: str, depth: int, type_name: str) -> None:
    name, unit = ("nested elements", 7) if codec == "xml" else ("nested objects", 6)
    result = in_child("bulk:decoded", codec, name, unit * depth, type_name)
    # Unknown fields are passed over at any depth. A value of that depth is refused.
    assert result["outcome"] in FAIR if depth < 10_000 or type_name != "untyped" else result["outcome"] == "DecodeError"


@pytest.mark.parametrize("codec", ["json", "xml"])
def test_a_text_of_64_megabytes_is_read_or_refused_within_a_few_times_its_size(codec: str) -> None:
    result = in_child("bulk:decoded", codec, "a huge text", 64 << 20, "statistics")
    assert result["outcome"] in FAIR
    assert result["gained"] <= 8 * result["size"]


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("xml", "unknown siblings"),
        ("xml", "results, empty"),
        ("xml", "many attributes"),
        ("xml", "a long attribute"),
        ("json", "nulls"),
        ("json", "members of many names"),
        ("json", "entries, the last one broken"),
    ],
)
def test_a_million_of_the_same_are_read_or_refused(codec: str, name: str) -> None:
    unit = len(MAKERS[codec][name](2_000)) / 2_000
    result = in_child("bulk:decoded", codec, name, int(4_500_000 * unit), "statistics")
    assert result["outcome"] in FAIR
    assert result["gained"] <= 1 << 30


@pytest.mark.parametrize("megabytes", [8, 64] if HEAVY else [8])
@pytest.mark.parametrize(("codec", "name"), EVERY if HEAVY else SOME)  # one process for each: all of them take minutes
def test_megabytes_are_read_or_refused(codec: str, name: str, megabytes: int) -> None:
    result = in_child("bulk:decoded", codec, name, megabytes << 20, "statistics", timeout=300)
    assert result["outcome"] in FAIR
