"""The shared options that a command itself looks at."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, convert

__all__ = ["Settings", "settings_of"]


class Settings(Struct, frozen=True, kw_only=True):
    """Their values, under the options' names."""

    url: str = ""
    plugins: tuple[str, ...] = ()
    timeout: float | None = None
    json: bool = False
    csv: bool = False
    bom: bool = False
    output: str | None = None
    verbose: int = 0
    journal: str | None = None
    history: str | None = None
    history_keep: float | None = None


def settings_of(values: Mapping[str, object]) -> Settings:
    """The settings among the values of all options."""
    return convert(values, Settings)
