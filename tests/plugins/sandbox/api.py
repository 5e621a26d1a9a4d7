"""How the sandbox's tests call it: WSGI without a server, in either format."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from altcraft_plugins.sandbox import Sandbox

TOKEN = "abcdefghijklmnqrstuvwxyz"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def xml(self) -> ElementTree.Element:
        return ElementTree.fromstring(self.body)


def environ(path: str, body: bytes = b"", content_type: str | None = "application/json", **more: object) -> dict:
    made = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": f"/api/v1.1/{path}",
        "QUERY_STRING": "",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": content_type,
        "SERVER_NAME": "test",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        **more,
    }
    return {key: value for key, value in made.items() if value is not None}


def send(app: Sandbox, environ: dict) -> Answer:
    """One request, as a WSGI server would make it."""
    begun: list[tuple[str, list[tuple[str, str]]]] = []
    chunks = app(environ, lambda status, headers, exc_info=None: begun.append((status, headers)))
    body = b"".join(chunks)
    ((status, headers),) = begun
    return Answer(int(status.split()[0]), dict(headers), body)


def to_xml(parameters: Mapping[str, object]) -> bytes:
    def element(name: str, value: object) -> str:
        if isinstance(value, Mapping):
            return f"<{name}>{''.join(element(key, item) for key, item in value.items())}</{name}>"
        return f"<{name}>{escape(str(value))}</{name}>"

    return element("xml", parameters).encode()


def post(app: Sandbox, path: str, parameters: Mapping[str, object], format: str = "json", **more: object) -> Answer:
    """A request in a format, with the usual token unless another is given, answered in the same format."""
    parameters = {"token": TOKEN, **parameters}
    body = json.dumps(parameters).encode() if format == "json" else to_xml(parameters)
    return send(app, environ(path, body, f"application/{format}", **more))


def start(app: Sandbox, path: str, **parameters: object) -> str:
    answer = post(app, path, parameters)
    assert answer.status == 200, answer
    return answer.json["data"]["task_id"]


def status(app: Sandbox, task_id: str) -> dict:
    answer = post(app, "tasks/status", {"task_id": task_id})
    assert answer.status == 200, answer
    return answer.json["data"]


def finish(app: Sandbox) -> None:
    """Let every task come to its end, for a sandbox without a worker."""
    while app.step():
        pass


def counted(app: Sandbox, path: str, **parameters: object) -> list:
    """The result of a refresh, from beginning to end, for a sandbox without a worker."""
    task_id = start(app, path, **parameters)
    finish(app)
    return status(app, task_id)["result"]


def counters(entry: dict, channel: str = "email") -> dict:
    (found,) = [item["status"] for item in entry["channels"] if item["channel"] == channel]
    return found
