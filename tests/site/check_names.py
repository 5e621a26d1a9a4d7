"""Fails where a public name has no entry in the reference of a built site: `python tests/site/check_names.py SITE`."""

from __future__ import annotations

import importlib
import sys
import zlib
from pathlib import Path

PUBLIC = [
    "altcraft",
    "altcraft.codecs",
    "altcraft.errors",
    "altcraft.hooks",
    "altcraft.operations",
    "altcraft.schema",
    "altcraft.tasks.events",
    "altcraft.tasks.machine",
    "altcraft.testing",
    "altcraft.wire.messages",
    "altcraft.wire.transport",
    "altcraft_plugins.feedback",
    "altcraft_plugins.journal",
    "altcraft_plugins.plan",
    "altcraft_plugins.sandbox",
]


def documented(site: Path) -> set[str]:
    """The last parts of all names in the site's inventory of Python objects."""
    inventory = (site / "objects.inv").read_bytes()
    body = inventory.split(b"\n", 4)[4]  # four lines of header, then zlib
    lines = zlib.decompress(body).decode().splitlines()
    return {line.split(" ", 1)[0].rpartition(".")[2] for line in lines if " py:" in line}


def main(site: Path) -> int:
    known = documented(site)
    public = {f"{module}.{name}" for module in PUBLIC for name in importlib.import_module(module).__all__}
    missing = sorted(name for name in public if name.rpartition(".")[2] not in known)
    for name in missing:
        sys.stderr.write(f"{name} has no entry in docs/reference/api\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
