"""The fast path on every golden document: how often it is taken, and what a hit and a miss cost.

python -m tests.benchmarks.codecs.fastpath [--json]
"""

from __future__ import annotations

import json
import random
import sys

import msgspec
from tests.benchmarks.instructions import ROOT, Case, count, valgrind

from altcraft.codecs.xml import XmlCodec
from altcraft.codecs.xml.fastpath import FastPath

sys.path.insert(0, str(ROOT / "tests"))  # as pytest does

from golden import EXAMPLES, Example

__all__ = ["FastPathRow", "fast_path_rows", "fast_path_table"]

READINGS = 1_000
_SETUP = """
from tests.benchmarks.codecs.fastpath import learnt, golden
from altcraft.codecs.xml import XmlCodec
known = golden({name!r})
data, kind, late = known.body, known.type, known.body + b"<!-- -->"
codec, general = learnt(known), XmlCodec(fast_path=False)
"""
_STATEMENTS = {
    "hit": "codec.decode(data, kind)",
    "general": "general.decode(data, kind)",
    "late": "general.decode(late, kind)",
    "missed": "codec.decode(late, kind); codec.decode(data, kind)",  # in turn, so as not to miss many times in a row
}


class FastPathRow(msgspec.Struct, kw_only=True):
    """One document.

    `share` is the share of hits among 1,000 readings by a codec that reads all the documents in random order. `hit` is
    the cost of a hit, `general` that of the general reader, both in `unit`. `miss` is what a miss costs on top of
    `general`, for a document that differs from the known ones only in its last bytes, which is the worst case;
    `miss_share` is its ratio to `general`. After 16 misses in a row, only one document in 16 is tried.
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
    """The example in XML with that name."""
    return next(known for known in EXAMPLES if (known.name, known.format) == (name, "xml"))


def learnt(known: Example) -> XmlCodec:
    """A codec that has learnt the document's form."""
    codec = XmlCodec()
    for _ in range(50):
        codec.decode(known.body, known.type)
    return codec


def fast_path_rows(counting: bool) -> list[FastPathRow]:
    """A row for each golden document in XML. The costs are filled in only if `counting`."""
    examples = [known for known in EXAMPLES if known.format == "xml"]
    shares = _shares(examples)
    rows = [
        FastPathRow(document=known.name, size=len(known.body), share=share)
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
    order = list(range(len(examples))) * READINGS
    random.Random(1).shuffle(order)
    for at in order:
        reader = codec.reader(examples[at].type)
        assert isinstance(reader, FastPath)
        before = reader.hits
        codec.decode(examples[at].body, examples[at].type)
        hits[at] += reader.hits - before
    return [taken / READINGS for taken in hits]


def fast_path_table(rows: list[FastPathRow]) -> str:
    """The rows as a table."""
    unit = next((row.unit for row in rows if row.unit), "not counted")
    lines = [f"the fast path on the golden documents: hits of {READINGS:,} readings; thousands of {unit}", ""]
    lines.append(f"  {'':<36} {'bytes':>6} {'hits':>7} {'hit':>8} {'general':>8} {'a miss adds':>12}")
    for row in rows:
        figures = ""
        if row.hit and row.general and row.miss is not None and row.miss_share is not None:
            figures = (
                f" {row.hit / 1000:>8.1f} {row.general / 1000:>8.1f} {row.miss / 1000:>6.1f} {row.miss_share:>4.0%}"
            )
        lines.append(f"  {row.document:<36} {row.size:>6,} {row.share:>7.1%}{figures}")
    return "\n".join(lines)


def main() -> None:
    rows = fast_path_rows(valgrind() is not None)
    if "--json" in sys.argv[1:]:
        for row in rows:
            print(json.dumps(msgspec.to_builtins(row)))
    else:
        print(fast_path_table(rows))


if __name__ == "__main__":
    main()
