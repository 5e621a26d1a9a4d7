"""A loopback platform whose tasks are done with the third poll: run by the benchmark as a process of its own.

python -m tests.benchmarks.group.server SECONDS      prints its port; every reply comes so many seconds late
"""

from __future__ import annotations

import asyncio
import sys

POLLS = 3


def _reply(body: bytes) -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Wed, 17 Apr 2024 21:36:01 GMT\r\n"
        "Content-Type: application/json; charset=utf-8\r\nConnection: keep-alive\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + b'{"data":' + body[8:]


def _replies() -> list[bytes]:
    states = [b'"running","progress":33', b'"running","progress":66', b'"completed","progress":100,"result":[]']
    envelope = b'{"data":{"status":%s},"error":0,"error_text":"Successful operation"}'
    return [_reply(envelope % state) for state in states]


class Connection(asyncio.Protocol):
    """Answers one request after the other; each task's polls are counted over all connections."""

    polls: dict[bytes, int] = {}  # noqa: RUF012
    replies = _replies()
    delay = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        _head, found, body = self.data.partition(b"\r\n\r\n")
        if not found or not body.endswith(b"}"):
            return
        self.data = b""
        task = body.partition(b'"task_id":"')[2].partition(b'"')[0]
        poll = self.polls[task] = self.polls.get(task, -1) + 1
        reply = self.replies[min(poll, POLLS - 1)]
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self.transport.write, reply)
        else:
            self.transport.write(reply)


async def main(delay: float) -> None:
    Connection.delay = delay
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
