"""A PostgreSQL server of Debian's packages, for a test: on a socket of its own, in a directory of its own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

import pytest


def programs() -> pathlib.Path | None:
    """The directory of the newest server's programs."""
    found = pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in found), key=lambda path: int(path.parent.name), default=None)


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Starts a server. Its connection string."""
    place = programs()
    if place is None:
        pytest.skip("PostgreSQL is not installed: the recipe with Procrastinate is NOT tested")
    # The path of a socket is short, and the server's user, who is not root, must reach it.
    home = pathlib.Path(tempfile.mkdtemp(prefix="pg.", dir="/tmp"))
    user: list[str] = []
    if os.getuid() == 0:
        user = ["runuser", "-u", "postgres", "--"]
        os.chown(home, pwd.getpwnam("postgres").pw_uid, -1)

    def run(*command: str) -> None:
        with (home / "said").open("ab") as said:
            subprocess.run([*user, *command], check=True, cwd=home, stdout=said, stderr=said)

    data = str(home / "data")
    try:
        run(f"{place}/initdb", "-D", data, "-U", "shop", "-A", "trust", "--no-sync", "--locale=C", "--encoding=UTF8")
        run(f"{place}/pg_ctl", "start", "-w", "-t", "120", "-D", data, "-o", f"-k {home} -h '' -F")
        try:
            yield f"host={home} user=shop dbname=postgres"
        finally:
            run(f"{place}/pg_ctl", "stop", "-w", "-t", "120", "-m", "immediate", "-D", data)
    finally:
        shutil.rmtree(home, ignore_errors=True)
