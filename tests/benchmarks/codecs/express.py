"""The express road on every golden document: how often it is taken, what that takes, and what it costs to leave it."""

from __future__ import annotations

import random
import sys

import msgspec
from tests.benchmarks.instructions import ROOT, Case, count

from altcraft.codecs.xml import XmlCodec

sys.path.insert(0, str(ROOT / "tests"))  # as pytest does

from golden import EXAMPLES, Example

__all__ = ["RoadRow", "road_rows", "road_table"]

READINGS = 1_000
_SETUP = """
from tests.benchmarks.codecs.express import learnt, golden
from altcraft.codecs.xml import XmlCodec
known = golden({name!r})
data, kind, late = known.body, known.type, known.body + b"<!-- -->"
codec, general = learnt(known), XmlCodec(express=False)
"""
_STATEMENTS = {
    "hit": "codec.decode(data, kind)",
    "general": "general.decode(data, kind)",
    "late": "general.decode(late, kind)",
    "missed": "codec.decode(late, kind); codec.decode(data, kind)",  # in turn, so that the road stays open
}


class RoadRow(msgspec.Struct, kw_only=True):
    """One document.

    `share` is that of hits among 1,000 readings, by a new codec that reads all the documents in any order. `hit` and
    `general` are what either road takes, in `unit`. `miss` is what comes on top of the general road for a document that
    looks like the known ones up to its last byte, the worst there is; `miss_share` is its ratio to the general road.
    From the 16th miss in a row on, only one document in 16 is tried at all.
    """

    document: str
    size: int
    share: float
    unit: str = ""
    hit: float | None = None
    general: float | None = None
    miss: float | None = None
    miss_share: float | None = None


def golden(name: str) -> Example:
    """The XML of that name."""
    return next(known for known in EXAMPLES if (known.name, known.format) == (name, "xml"))


def learnt(known: Example) -> XmlCodec:
    """A codec that knows the document by heart."""
    codec = XmlCodec()
    for _ in range(50):
        codec.decode(known.body, known.type)
    return codec


def road_rows(counting: bool) -> list[RoadRow]:
    """A row for each golden document in XML; the costs only if they are to be counted."""
    examples = [known for known in EXAMPLES if known.format == "xml"]
    shares = _shares(examples)
    rows = [
        RoadRow(document=known.name, size=len(known.body), share=share)
        for known, share in zip(examples, shares, strict=True)
    ]
    if not counting:
        return rows
    cases = {
        f"{row.document} {what}": Case(_SETUP.format(name=row.document), statement)
        for row in rows
        for what, statement in _STATEMENTS.items()
    }
    costs = count(cases)
    for row in rows:
        hit, general, late, missed = (costs[f"{row.document} {what}"].per_call or 0.0 for what in _STATEMENTS)
        row.unit, row.hit, row.general = costs[f"{row.document} hit"].unit, hit, general
        row.miss = missed - hit - late
        row.miss_share = row.miss / general
    return rows


def _shares(examples: list[Example]) -> list[float]:
    codec, hits = XmlCodec(), [0] * len(examples)
    assert codec.express is not None
    order = list(range(len(examples))) * READINGS
    random.Random(1).shuffle(order)
    for at in order:
        before = codec.express.hits
        codec.decode(examples[at].body, examples[at].type)
        hits[at] += codec.express.hits - before
    return [taken / READINGS for taken in hits]


def road_table(rows: list[RoadRow]) -> str:
    """The same for reading."""
    unit = next((row.unit for row in rows if row.unit), "not counted")
    lines = [f"the express road on the golden documents: hits of {READINGS:,} readings; thousands of {unit}", ""]
    lines.append(f"  {'':<36} {'bytes':>6} {'hits':>7} {'hit':>8} {'general':>8} {'a miss adds':>12}")
    for row in rows:
        figures = ""
        if row.hit and row.general and row.miss is not None and row.miss_share is not None:
            figures = (
                f" {row.hit / 1000:>8.1f} {row.general / 1000:>8.1f} {row.miss / 1000:>6.1f} {row.miss_share:>4.0%}"
            )
        lines.append(f"  {row.document:<36} {row.size:>6,} {row.share:>7.1%}{figures}")
    return "\n".join(lines)
