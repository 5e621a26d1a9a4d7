"""A struct with every kind of field that XML has a form for, for the tests of the XML codec."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from altcraft.codecs.xml import XmlCodec
from altcraft.schema import (
    TaskStarted,
)

__all__ = ["CODEC", "Everything", "read"]

CODEC = XmlCodec()


class Everything(msgspec.Struct):
    """A type that a user might declare, with every kind of field that XML has a form for."""

    text: str = "unset"
    maybe_text: str | None = "unset"
    number: int = -1
    maybe_number: int | None = -1
    ratio: float = 0.5
    flag: bool = False
    day: date = date(2000, 1, 1)
    moment: datetime | None = None
    amount: Decimal = Decimal(0)
    uuid: UUID = UUID(int=0)
    pause: timedelta = timedelta(0)
    texts: list[str] = []
    numbers: list[int] = []
    few: tuple[int, ...] = ()
    several: set[int] = set()
    objects: list[TaskStarted] = []
    one: TaskStarted | None = None
    by_name: dict[str, int | None] = {}
    many_by_name: dict[str, list[int]] = {}
    anything: Any = None
    either: int | str = 0


def read(inside: str, type_: type = Everything) -> object:
    """What the codec reads from a document with that inside its root element."""
    return CODEC.decode(f"<xml>{inside}</xml>".encode(), type_)
