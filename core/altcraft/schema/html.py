"""Tables for notebooks, which ask a value for `_repr_html_`. Pure.

A table has no colour of its own: it takes those of the page, which may be light or dark. Everything is escaped.
Page: docs/how-to/notebooks.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from altcraft.schema.shares import in_order, shares

__all__ = ["flat_table", "statistics_table"]

_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_LONGEST = 200
"""Characters of a text in a cell."""

_CELL = "padding: 0.2em 0.7em; white-space: nowrap"
_NUMBER = f' style="text-align: right; {_CELL}; font-variant-numeric: tabular-nums"'
_TEXT = f' style="text-align: left; {_CELL}"'
_BAR = (
    '<div style="display: inline-block; vertical-align: middle; width: 6em; height: 0.7em; border: 1px solid; '
    'opacity: 0.7"><div style="width: {share:.0%}; height: 100%; background: currentColor"></div></div> {share:.0%}'
)


def statistics_table(
    title: str,
    notes: Sequence[str],
    channels: Sequence[tuple[str, Mapping[str, object]]],
    documented: Sequence[str],
    total: int | None = None,
) -> str:
    """A row a channel, with a bar for its share, and a column a counter, under a title and notes.

    Counters that are 0 in every channel get no column, but a note.
    """
    counts = [counters for _, counters in channels]
    names = in_order(counts, documented)
    measure, parts = shares(counts, names, total)
    zero = [name for name in names if all(counters.get(name) == 0 for counters in counts)]
    if len(zero) == len(names):
        zero = zero[1:]
    names = [name for name in names if name not in zero]
    notes = [*notes, f"0 in every channel: {', '.join(zero)}"] if zero else notes
    head = [_cell("th", "channel", _TEXT)]
    if measure is not None:
        head.append(_cell("th", " ".join(measure), _TEXT))
    head += [_cell("th", name, _NUMBER) for name in names]
    body: list[list[str]] = []
    for (channel, counters), share in zip(channels, parts, strict=True):
        row = [_cell("td", channel, _TEXT)]
        if measure is not None:
            row.append(f"<td{_TEXT}>{'' if share is None else _BAR.format(share=share)}</td>")
        body.append(row + [_cell("td", counters.get(name, "–"), _NUMBER) for name in names])
    if not channels:
        body.append([_cell("td", "no channels", _TEXT)])
    return _table(title, notes, head, body)


def flat_table(rows: Sequence[Mapping[str, object]]) -> str:
    """A table of rows with the same keys. Keys without any value get no column."""
    names = [name for name in (rows[0] if rows else ()) if any(row.get(name) is not None for row in rows)]
    numbers = {name for name in names if all(isinstance(row.get(name), (int, float, type(None))) for row in rows)}
    styles = {name: _NUMBER if name in numbers else _TEXT for name in names}
    head = [_cell("th", name, styles[name]) for name in names]
    body = [[_cell("td", _shown(row.get(name)), styles[name]) for name in names] for row in rows]
    return _table("", [], head, body or [[_cell("td", "no rows", _TEXT)]])


def _table(title: str, notes: Sequence[str], head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    caption = "".join([f"<strong>{_escaped(title)}</strong>" if title else "", *(f"<br>{_escaped(n)}" for n in notes)])
    lines = ['<table style="width: auto; color: inherit">']
    if caption:
        caption = caption.removeprefix("<br>")
        lines.append(f'<caption style="text-align: left; color: inherit; caption-side: top">{caption}</caption>')
    lines += [f"<thead><tr>{''.join(head)}</tr></thead>", "<tbody>"]
    lines += [f"<tr>{''.join(row)}</tr>" for row in body]
    return "\n".join([*lines, "</tbody>", "</table>"])


def _cell(tag: str, value: object, style: str) -> str:
    return f"<{tag}{style}>{_escaped(value)}</{tag}>"


def _shown(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds").replace("+00:00", " UTC")
    return "" if value is None else value


def _escaped(value: object) -> str:
    text = str(value)
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - 1]}…"
    return text.translate(_ESCAPED)
