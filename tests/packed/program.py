"""A program to be packed. Its arguments are the URL of a served sandbox, and the wires to try.

A wire is a client, a transport and a codec, as in `Client-urllib3-json`; `sandbox--xml` is the embedded sandbox. For
each wire it prints one line: the wire, and the total that a recount gave or the error that it ended with.
"""

from __future__ import annotations

import asyncio
import sys

from altcraft import AltcraftError, AsyncClient, Client


def recount(url: str, transport: str, codec: str) -> int | None:
    named = {"transport": transport} if transport else {}
    with Client(url, "sandbox", codec=codec, **named) as client:
        return client.databases.refresh_counters(5, resource_id=24).result(timeout=30)[0].total_count


async def recount_in_a_loop(url: str, transport: str, codec: str) -> int | None:
    async with AsyncClient(url, "sandbox", codec=codec, transport=transport) as client:
        task = await client.databases.refresh_counters(5, resource_id=24)
        return (await task.result(timeout=30))[0].total_count


def main() -> None:
    url, *wires = sys.argv[1:]
    for wire in wires:
        kind, transport, codec = wire.split("-")
        try:
            if kind == "AsyncClient":
                found = asyncio.run(recount_in_a_loop(url, transport, codec))
            else:
                found = recount("sandbox:?pace=0" if kind == "sandbox" else url, transport, codec)
        except AltcraftError as error:
            print(wire, type(error).__name__, error)
        else:
            print(wire, found)


if __name__ == "__main__":
    main()
