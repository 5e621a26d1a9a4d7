"""A history: every completed count, with all its counters, in one file.

Page: docs/how-to/history.md.
"""

from altcraft_plugins.history.collected import Imported
from altcraft_plugins.history.entries import Failure, Item, Row
from altcraft_plugins.history.file import HistoryError
from altcraft_plugins.history.history import History
from altcraft_plugins.history.trends import Change, Point, Series, series_of

__all__ = ["Change", "Failure", "History", "HistoryError", "Imported", "Item", "Point", "Row", "Series", "series_of"]
