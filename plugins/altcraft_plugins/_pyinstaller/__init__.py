"""Hooks for PyInstaller, which finds them by the entry point `pyinstaller40`. See docs/how-to/packaging.md."""

from __future__ import annotations

import os

__all__ = ["hook_dirs"]


def hook_dirs() -> list[str]:
    """The folder of the hooks. PyInstaller runs `hook-<module>.py` when it packs that module."""
    return [os.path.dirname(__file__)]
