"""Texts and numbers as the report shows them, escaped. Pure."""

from __future__ import annotations

import hashlib
import html
import json
import unicodedata
from datetime import datetime

from msgspec import Struct

__all__ = [
    "Clock",
    "anchor",
    "compact",
    "counter_label",
    "escaped",
    "plural",
    "shown_count",
    "shown_duration",
    "shown_number",
    "shown_share",
    "signed",
]

# These turn the reading direction around, for the text behind them too.
_TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_MINUS = "\N{MINUS SIGN}"


def escaped(text: object) -> str:
    """`text` as HTML or SVG takes it, in an element or in a quoted attribute. What would break it becomes U+FFFD."""
    if type(text) is int:
        return str(text)
    shown = str(text)
    if not (shown.isprintable() and shown.isascii()):
        shown = "".join(
            "\ufffd" if unicodedata.category(character) in ("Cc", "Cs") or character in _TURNING else character
            for character in shown
        )
    return html.escape(shown)


def anchor(*parts: str) -> str:
    """The id of a name's place in the page. It is the same in every report."""
    words = "\0".join(parts).encode("utf-8", "backslashreplace")
    return f"n-{hashlib.blake2b(words, digest_size=6).hexdigest()}"


def counter_label(counter: str) -> str:
    """As in "hard bounced" and "subscribed sendable"."""
    return "hard bounced" if counter == "hardbounced" else counter.replace("_", " ")


def shown_share(share: float) -> str:
    """As in "75.3%". One that is not nothing is never shown as 0.0%."""
    if 0 < share < 0.0005:
        return "<0.1%"
    return f"{share:.1%}".replace("-", _MINUS)


def shown_number(number: float) -> str:
    """As in "94,273"."""
    return f"{number:,}".replace("-", _MINUS)


def compact(number: float) -> str:
    """As in "950", "12.2k" and "1.34M"."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e4)):
        if abs(number) >= size:
            return f"{number / (1e3 if unit == 'k' else size):,.3g}{unit}".replace("-", _MINUS)
    return shown_number(round(number))


def shown_count(counter: object) -> str:
    """A counter in a table: digits alone, so that a spreadsheet takes it for a number; "" where none was sent."""
    if counter is None:
        return ""
    return escaped(json.dumps(counter) if isinstance(counter, (dict, list, bool)) else counter)


def shown_duration(seconds: float) -> str:
    """As in "39 ms", "2.5 s" and "12 min"."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"


def signed(number: float, unit: str = "") -> str:
    """As in "+1.2 pp". A whole number has commas."""
    shown = f"{abs(number):,}" if isinstance(number, int) else f"{abs(number):.1f}"
    sign = "" if shown in ("0", "0.0") else "+" if number > 0 else _MINUS
    return f"{sign}{shown}{unit}"


def plural(number: int, noun: str) -> str:
    """As in "1 name" and "2 names"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Clock(Struct, frozen=True):
    """Shows times in the time zone of `now`."""

    now: datetime

    def local(self, moment: datetime) -> datetime:
        """The moment in that zone; as it is where the zone has no such year."""
        try:
            return moment.astimezone(self.now.tzinfo)
        except OverflowError:
            return moment

    def minute(self, moment: datetime) -> str:
        """As in "2026-11-28 06:00"."""
        return f"{self.local(moment):%Y-%m-%d %H:%M}"

    def day(self, moment: datetime) -> str:
        """As in "28 Nov 2026"."""
        local = self.local(moment)
        return f"{local.day} {local:%b %Y}"

    def ends(self, first: datetime, last: datetime) -> tuple[str, str]:
        """Both moments: their days or, within one day, their minutes."""
        days = self.day(first), self.day(last)
        return days if days[0] != days[1] else (self.minute(first), self.minute(last))

    def time(self, moment: datetime) -> str:
        """The minute as a <time> element."""
        return f'<time datetime="{self.local(moment).isoformat(timespec="seconds")}">{self.minute(moment)}</time>'

    @property
    def zone(self) -> str:
        """As in "UTC" or "UTC+03:00"."""
        shown = f"{self.now:%z}"
        return "UTC" if shown in ("", "+0000") else f"UTC{shown[:3]}:{shown[3:5]}"
