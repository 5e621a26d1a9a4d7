"""The default limits of the codecs."""

from __future__ import annotations

from altcraft.wire.transport import TransportSettings

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_ELEMENTS", "check_limits"]

MAX_BYTES = TransportSettings().max_response
"""Bytes of a document: as many as the transports take."""

MAX_DEPTH = 100
"""Elements nested in each other. The platform's replies have seven."""

MAX_ELEMENTS = 1_000_000
"""Elements, attributes and references of an XML document; or values of a JSON document, objects and arrays included.

A reply about a thousand databases has a twentieth of that. An element takes about a hundred bytes of memory.
"""


def check_limits(**limits: int) -> None:
    """ValueError, with the limit's name, for one below 1."""
    for name, limit in limits.items():
        if not limit >= 1:
            raise ValueError(f"{name}={limit!r}: give a number, 1 at least")
