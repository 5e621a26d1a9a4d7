"""What a test's markers say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

__all__ = ["settings"]


def settings(node: pytest.Item, marker: str) -> dict[str, Any]:
    """The keywords of all markers of that name; the one closest to the test wins."""
    given: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers(marker))):
        if mark.args:
            raise TypeError(f"@pytest.mark.{marker} takes settings by name: {mark.args!r}")
        given |= mark.kwargs
    return given
