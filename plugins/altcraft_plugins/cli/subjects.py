"""What a request is about: a segment, a database or a resource."""

from __future__ import annotations

from collections.abc import Mapping

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


class Subject(Struct, frozen=True):
    """A kind such as "Segment", an id such as 7, and the parameters of the request under the wire's names."""

    kind: str
    id: int
    request: Mapping[str, object]

    @property
    def name(self) -> str:
        """As in "segment 7"."""
        return f"{self.kind.lower()} {self.id}"


def subject_of(request: object) -> Subject | None:
    """The subject of one of the library's own requests; None for any other."""
    match request:
        case SegmentsRefreshCounters() | SegmentsGetCounters():
            kind = "Segment"
        case DatabasesRefreshCounters() | DatabasesGetCounters():
            kind = "Database"
        case ResourcesRefreshCounters():
            kind = "Resource"
        case _:
            return None
    parameters: dict[str, object] = msgspec.to_builtins(msgspec.structs.replace(request, token=None, format=None))
    return Subject(kind, request.id, parameters)
