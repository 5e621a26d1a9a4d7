"""A journal: tasks and submissions on disk, so that a process may be killed at any instant and nothing is lost.

Page: docs/how-to/journal.md.
"""

from altcraft_plugins.journal.entries import Entry, Outstanding
from altcraft_plugins.journal.file import JournalError
from altcraft_plugins.journal.journal import Journal

__all__ = ["Entry", "Journal", "JournalError", "Outstanding"]
