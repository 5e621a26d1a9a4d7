"""Distributions with entry points, installed for one test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest


class Install(Protocol):
    """Installs a distribution with such modules and entry points."""

    def __call__(
        self,
        modules: dict[str, str],
        entry_points: dict[str, str],
        *,
        distribution: str = "acme-plugins",
        version: str = "1.0",
        group: str = "altcraft",
    ) -> None: ...


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """A later distribution comes later on the path."""
    made: list[str] = []
    paths: list[str] = []

    def install(
        modules: dict[str, str],
        entry_points: dict[str, str],
        *,
        distribution: str = "acme-plugins",
        version: str = "1.0",
        group: str = "altcraft",
    ) -> None:
        site = tmp_path / f"site-{len(paths)}"
        folder = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        for name, source in modules.items():
            (site / f"{name}.py").write_text(source)
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (folder / "METADATA").write_text(metadata)
        lines = [f"[{group}]", *(f"{name} = {value}" for name, value in entry_points.items())]
        (folder / "entry_points.txt").write_text("\n".join(lines), "utf-8")
        made.extend(modules)
        sys.path.insert(len(paths), str(site))
        paths.append(str(site))

    yield install
    for path in paths:
        sys.path.remove(path)
    for name in made:
        sys.modules.pop(name, None)
