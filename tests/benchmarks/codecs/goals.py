"""What the codecs are held to, as ratios between rows of one run."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from .measure import Row

__all__ = ["Goal", "goals"]

GENERAL = "altcraft, general road alone"
JSON = "altcraft JSON, envelope and errors"


class Goal(msgspec.Struct):
    """One promise: `ours` takes at most `limit` times what `theirs` does, in `measure`; `ratio` is None if unmeasured.

    A stretch is reported, and missing it is no failure.
    """

    task: str
    size: str
    ours: str
    theirs: str
    measure: str
    limit: float
    ratio: float | None
    stretch: bool = False

    @property
    def passed(self) -> bool | None:
        """None where something it needs was not measured."""
        return None if self.ratio is None else self.ratio <= self.limit


_RATIOS: tuple[tuple[str, str, str, str, float], ...] = (
    ("decode", "small", "altcraft", "raw expat, no handlers", 1.10),
    ("decode", "small", "altcraft", "C ElementTree, tree only", 0.5),
    ("decode", "small", "altcraft", "xmltodict + pydantic", 1 / 11),
    ("decode", "small", GENERAL, "C ElementTree, tree only", 1.45),
    ("decode", "small", GENERAL, "defusedxml, tree only", 0.6),
    ("decode", "small", JSON, "bare msgspec decoder", 1.1),
    ("decode", "small", JSON, "pydantic JSON", 0.3),
    ("encode", "request", "altcraft", "xmltodict", 1 / 30),
    ("encode", "request", "altcraft", "C ElementTree", 1 / 15),
    ("encode", "small", "altcraft", "xmltodict", 1 / 30),
    ("encode", "small", "altcraft", "C ElementTree", 1 / 15),
)


def goals(rows: list[Row]) -> Iterator[Goal]:
    """Every promise, in instructions where they were counted, in time where not; and those about memory."""
    counted = any(row.kinstr is not None for row in rows)
    for task, size, ours, theirs, limit in _RATIOS:
        measure = "kinstr" if counted else "us"
        yield Goal(task, size, ours, theirs, measure, limit, _ratio(rows, task, size, ours, theirs, measure))
    tree = "C ElementTree, tree only"
    for measure in ("peak_mib", "rss_mib"):
        ratio = _ratio(rows, "decode", "large", "altcraft", tree, measure)
        for limit, stretch in ((1.0, False), (0.5, True)):
            yield Goal("decode", "large", "altcraft", tree, measure, limit, ratio, stretch)


def _ratio(rows: list[Row], task: str, size: str, ours: str, theirs: str, measure: str) -> float | None:
    found: dict[str, float | None] = {
        row.name: getattr(row, measure) for row in rows if (row.task, row.size) == (task, size)
    }
    one, other = found.get(ours), found.get(theirs)
    return None if one is None or not other else one / other
