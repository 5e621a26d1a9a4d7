"""The goals of the codecs, as ratios between rows of one run."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from .measure import Row

__all__ = ["Goal", "goals"]

GENERAL = "altcraft, general reader"
JSON = "altcraft JSON, envelope and errors"


class Goal(msgspec.Struct):
    """`ours` takes at most `limit` times what `theirs` takes, in `measure`. `ratio` is None if it was not measured.

    Missing a goal with `stretch` is reported, and is not a failure.
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
        """Whether the goal was reached; None if the ratio was not measured."""
        return None if self.ratio is None else self.ratio <= self.limit


_RATIOS: tuple[tuple[str, str, str, str, float], ...] = (
    ("decode", "small", "altcraft", "raw expat, no handlers", 1.10),
    ("decode", "small", "altcraft", "C ElementTree, tree only", 0.5),
    ("decode", "small", "altcraft", "xmltodict + pydantic", 1 / 11),
    ("decode", "small", GENERAL, "C ElementTree, tree only", 1.5),
    ("decode", "small", GENERAL, "defusedxml, tree only", 0.65),
    ("decode", "small", JSON, "bare msgspec decoder", 1.2),
    ("decode", "small", JSON, "pydantic JSON", 0.55),
    ("encode", "request", "altcraft", "C ElementTree", 0.4),
    ("encode", "small", "altcraft", "C ElementTree", 0.4),
)


def goals(rows: list[Row]) -> Iterator[Goal]:
    """All goals: in instructions if they were counted, else in time; and those for memory."""
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
