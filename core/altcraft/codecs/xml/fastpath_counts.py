"""What `XmlCodec.express` tells of the express road, which itself is loaded with its first use."""

from __future__ import annotations

__all__ = ["FastPathCounts"]


class FastPathCounts:
    """How many documents took the express road, and how many had to leave it. Exact in one thread, close in many."""

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0

    def __repr__(self) -> str:
        return f"FastPathCounts(hits={self.hits}, misses={self.misses})"
