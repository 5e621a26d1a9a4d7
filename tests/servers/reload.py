"""How many submissions each transport loses while nginx reloads its configuration again and again.

    python -m tests.servers.reload [--submissions 2000] [--every 0.3] [--json] [WIRE ...]

A WIRE is a client and a transport, such as Client-urllib3; without any, all are measured. On a reload, nginx closes the
connections that are idle at that moment. A request that is on its way just then is lost, and the client may not repeat
a submission. The transports differ in how late they notice that a connection is closed. The figures are to look at: the
exit code is 1 only where a submission was doubled, or lost with another error than ConnectionLost. Needs nginx.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # as pytest does, for `python -m tests.servers.reload`

from altcraft import AltcraftError, AsyncClient, Client
from altcraft_plugins.sandbox import Sandbox
from servers.programs import Nginx, temporary_folder
from servers.upstream import NUMBERED, Numbered, Upstream, serving_on
from servers.wires import WIRES

__all__ = ["Outcome", "load_during_reloads", "nginx_before_the_sandbox"]

AT_ONCE = 16
TOKEN = "sandbox"


class Outcome(NamedTuple):
    """What became of the submissions over one wire.

    `arrived` counts the lost ones that the platform has received all the same, `doubled` all that it received twice.
    """

    wire: str
    accepted: int
    lost: int
    arrived: int
    doubled: int
    reloads: int
    errors: dict[str, int]

    def is_safe(self) -> bool:
        """Whether each submission was made once at most, and each lost one said that it may have been processed."""
        return not self.doubled and set(self.errors) <= {"ConnectionLost"}


@contextmanager
def nginx_before_the_sandbox() -> Iterator[tuple[Nginx, Upstream]]:
    """An nginx of its own before a sandbox of its own."""
    with Sandbox(pace=0) as sandbox, serving_on(0, platform := Upstream(sandbox)) as port, temporary_folder() as folder:
        server = Nginx(folder, {"plain": f"location / {{ proxy_pass http://127.0.0.1:{port}; }}"})
        with server:
            yield server, platform


def load_during_reloads(
    wire: tuple[str, str], nginx: Nginx, platform: Upstream, *, submissions: int, every: float
) -> Outcome:
    """Sends so many submissions over one wire, `AT_ONCE` at a time, with a reload every so many seconds."""
    kind, transport = wire
    platform.submissions.clear()
    url = nginx.places["plain"].url
    with _reloading(nginx, every) as reloads:
        if kind == "Client":
            failures = _load_by_threads(url, transport, submissions)
        else:
            failures = asyncio.run(_load_by_loop(url, transport, submissions))
    time.sleep(0.5)  # for what was lost on the way back, and may still be on the way to the platform
    received = platform.submissions
    return Outcome(
        wire="-".join(wire),
        accepted=submissions - len(failures),
        lost=len(failures),
        arrived=sum(1 for number in failures if received[number]),
        doubled=sum(1 for count in received.values() if count > 1),
        reloads=len(reloads),
        errors=dict(Counter(failures.values())),
    )


@contextmanager
def _reloading(nginx: Nginx, every: float) -> Iterator[list[float]]:
    """Reloads until the block ends. Yields the list of the times at which it did."""
    reloads: list[float] = []
    ended = threading.Event()

    def reload() -> None:
        while not ended.wait(every):
            nginx.reload()
            reloads.append(time.monotonic())

    thread = threading.Thread(target=reload, name="reloading")
    thread.start()
    try:
        yield reloads
    finally:
        ended.set()
        thread.join()


def _load_by_threads(url: str, transport: str, submissions: int) -> dict[int, str]:
    """The numbers of the submissions that failed, each with the name of its error."""
    failures: dict[int, str] = {}

    def submit(number: int) -> None:
        try:
            client.submit(Numbered(5, 24, number))
        except AltcraftError as error:
            failures[number] = type(error).__name__

    with Client(url, TOKEN, transport=transport) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        client.operations.register(NUMBERED)
        list(pool.map(submit, range(submissions)))
    return failures


async def _load_by_loop(url: str, transport: str, submissions: int) -> dict[int, str]:
    """As `_load_by_threads`, by the coroutines of an event loop."""
    failures: dict[int, str] = {}
    numbers = iter(range(submissions))

    async def submit_some() -> None:
        for number in numbers:
            try:
                await client.submit(Numbered(5, 24, number))
            except AltcraftError as error:
                failures[number] = type(error).__name__

    async with AsyncClient(url, TOKEN, transport=transport) as client:
        client.operations.register(NUMBERED)
        await asyncio.gather(*(submit_some() for _ in range(AT_ONCE)))
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = {"-".join(wire): wire for wire in WIRES}
    parser.add_argument("wire", nargs="*", metavar="WIRE", choices=[*names, []], help=", ".join(names))
    parser.add_argument("--submissions", type=int, default=2000, help="for each wire (2000)")
    parser.add_argument("--every", type=float, default=0.3, help="seconds between two reloads (0.3)")
    parser.add_argument("--json", action="store_true", help="a JSON line for each wire")
    options = parser.parse_args()
    safe = True
    if not options.json:
        print(f"{'':20} accepted  lost  of them arrived  doubled  reloads  lost a reload  errors")
    for name in options.wire or names:
        with nginx_before_the_sandbox() as (nginx, platform):
            outcome = load_during_reloads(
                names[name], nginx, platform, submissions=options.submissions, every=options.every
            )
        safe = safe and outcome.is_safe()
        if options.json:
            print(json.dumps(outcome._asdict()), flush=True)
        else:
            print(
                f"{outcome.wire:20} {outcome.accepted:8} {outcome.lost:5} {outcome.arrived:16} {outcome.doubled:8} "
                f"{outcome.reloads:8} {outcome.lost / max(1, outcome.reloads):14.2f}  {outcome.errors}",
                flush=True,
            )
    return 0 if safe else 1


if __name__ == "__main__":
    sys.exit(main())
