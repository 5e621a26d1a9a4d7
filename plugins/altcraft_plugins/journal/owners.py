"""Which process follows a task: its name, and whether it lives."""

from __future__ import annotations

import os
import socket
import uuid
from functools import cache
from pathlib import Path

__all__ = ["is_alive", "name_owner", "retire"]

_living: set[str] = set()


def name_owner() -> str:
    """A name for one journal object of this process: host, process, its start, and a number."""
    name = f"{socket.gethostname()}/{_boot()}/{os.getpid()}/{_started(os.getpid())}/{uuid.uuid4().hex}"
    _living.add(name)
    return name


def retire(name: str) -> None:
    """The journal object of that name was closed."""
    _living.discard(name)


def is_alive(name: str) -> bool | None:
    """Whether that owner lives. None for one on another host, of which only the lease can tell."""
    host, boot, process, started, _ = name.split("/")
    if host != socket.gethostname():
        return None
    if boot != _boot():
        return False
    if int(process) == os.getpid() and started == _started(os.getpid()):
        return name in _living
    return _is_running(int(process)) and _started(int(process)) == started


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


@cache
def _boot() -> str:
    """The machine's present run, where it says so: process numbers begin anew with each."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _started(process: int) -> str:
    """When a process was started, in ticks since the machine was, where the system says so; a number is used again."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return fields[19] if fields[0] not in "ZX" else "ended"
