"""What a request is about: a segment, a database or a resource."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
from msgspec import Struct

from altcraft.schema import (
    DatabasesGetCounters,
    DatabasesRefreshCounters,
    ResourcesRefreshCounters,
    SegmentsGetCounters,
    SegmentsRefreshCounters,
)

__all__ = ["Subject", "subject_of"]

Requests: TypeAlias = (
    SegmentsRefreshCounters
    | SegmentsGetCounters
    | DatabasesRefreshCounters
    | DatabasesGetCounters
    | ResourcesRefreshCounters
)


class Subject(Struct, frozen=True):
    """A kind, such as "Segment", and the request about one of that kind."""

    kind: str
    request: Requests

    @property
    def id(self) -> int:
        """The id of the segment, the database or the resource."""
        return self.request.id

    @property
    def name(self) -> str:
        """As in "segment 7"."""
        return f"{self.kind.lower()} {self.id}"

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters under the wire's names, without the credentials."""
        built: dict[str, object] = msgspec.to_builtins(self.request)
        return {name: value for name, value in built.items() if name not in ("token", "format")}


def subject_of(request: object) -> Subject | None:
    """The subject of one of the library's own requests; None for any other."""
    match request:
        case SegmentsRefreshCounters() | SegmentsGetCounters():
            return Subject("Segment", request)
        case DatabasesRefreshCounters() | DatabasesGetCounters():
            return Subject("Database", request)
        case ResourcesRefreshCounters():
            return Subject("Resource", request)
        case _:
            return None
