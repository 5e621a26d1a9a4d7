"""An extension of IPython: `%load_ext altcraft_plugins.notebook` shows lists of statistics as tables.

Statistics and rows show as tables by themselves. A result is a plain list of statistics, though, which a notebook shows
as text unless this extension is loaded. Page: docs/how-to/notebooks.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from altcraft import ChannelStatistics, rows
from altcraft.schema import Statistics

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


class Formatter(Protocol):
    """What the extension uses of IPython's formatter of a media type."""

    def for_type(self, kind: type, function: Callable[[list[object]], str | None]) -> object:
        """Sets the function for the values of a type. Returns the one before."""
        ...

    def pop(self, kind: type, default: object) -> object:
        """Removes the function for a type."""
        ...


class DisplayFormatter(Protocol):
    """IPython's formatters, by media type."""

    @property
    def formatters(self) -> dict[str, Formatter]: ...


class Shell(Protocol):
    """What the extension uses of IPython's shell."""

    @property
    def display_formatter(self) -> DisplayFormatter: ...


def load_ipython_extension(shell: Shell) -> None:
    """Shows every list of statistics, or of channels, as tables."""
    shell.display_formatter.formatters["text/html"].for_type(list, _shown)


def unload_ipython_extension(shell: Shell) -> None:
    """Shows lists as before."""
    shell.display_formatter.formatters["text/html"].pop(list, None)


def _shown(value: list[object]) -> str | None:
    """The list as HTML, or None for another list, which is shown as without the extension."""
    if type(value) is not list:
        return _own(value)
    if value and all(isinstance(entry, Statistics) for entry in value):
        return "\n".join(_own(entry) or "" for entry in value)
    if value and all(isinstance(entry, ChannelStatistics) for entry in value):
        return _own(rows(value))
    return None


def _own(value: object) -> str | None:
    """What a value says for itself. IPython does not ask a list for that once lists have a function."""
    method = getattr(value, "_repr_html_", None)
    return None if method is None else str(method())
