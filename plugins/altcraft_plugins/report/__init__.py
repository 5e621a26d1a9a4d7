"""A report on a history: one self-contained HTML file, without scripts.

Page: docs/how-to/report.md.
"""

from altcraft_plugins.report.page import render, report

__all__ = ["render", "report"]
