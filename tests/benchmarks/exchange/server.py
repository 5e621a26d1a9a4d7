"""A loopback server that answers at once and always the same: run by the benchmark as a process of its own.

Prints its port. A reply is one write, headers as a usual proxy in front of the platform sends them.
"""

from __future__ import annotations

import json
import socket
import threading

_CHANNELS = [
    {"channel": name, "status": {"all": 1336, "subscribed": 925, "unsubscribed": 0, "hardbounced": 411, "new": 7}}
    for name in ("email", "sms", "push")
]
DATA: dict[bytes, object] = {
    b"/api/v1.1/segments/get_counters": _CHANNELS,
    b"/api/v1.1/tasks/status": {
        "status": "completed",
        "progress": 100,
        "result": [
            {
                "channels": _CHANNELS,
                "in_progress": False,
                "list_id": 1,
                "refresh_task_id": "",
                "resource_id": 24,
                "updated": "2024-04-17T21:36:01.449Z",
            }
        ],
    },
}


def _reply(data: object) -> bytes:
    body = json.dumps({"data": data, "error": 0, "error_text": "Successful operation"}, separators=(",", ":")).encode()
    head = (
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Wed, 17 Apr 2024 21:36:01 GMT\r\n"
        "Content-Type: application/json; charset=utf-8\r\nVary: Accept-Encoding\r\nConnection: keep-alive\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _serve(sock: socket.socket, replies: dict[bytes, bytes]) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = sock.recv(1 << 16)
            if not more:
                sock.close()
                return
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        while len(rest) < length:
            rest += sock.recv(1 << 16)
        data = rest[length:]
        sock.sendall(replies[head.split(b" ", 2)[1].partition(b"?")[0]])


def main() -> None:
    replies = {path: _reply(data) for path, data in DATA.items()}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=_serve, args=(sock, replies), daemon=True).start()


if __name__ == "__main__":
    main()
