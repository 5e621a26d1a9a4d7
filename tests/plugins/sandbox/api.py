"""Calls the sandbox as a WSGI application, without a server, in either format."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from altcraft_plugins.sandbox import Sandbox

TOKEN = "abcdefghijklmnqrstuvwxyz"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def xml(self) -> ElementTree.Element:
        return ElementTree.fromstring(self.body)


def environ(
    path: str,
    body: bytes = b"",
    content_type: str | None = "application/json",
    stream: Any = None,
    **more: object,
) -> dict[str, Any]:
    """The environ of a request. None leaves a key out. `stream` replaces the stream of the body."""
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
        "wsgi.input": io.BytesIO(body) if stream is None else stream,
        **more,
    }
    return {key: value for key, value in made.items() if value is not None}


def send(app: Sandbox, environ: dict[str, Any]) -> Answer:
    """Calls the app once, as a WSGI server does."""
    begun: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        begun.append((status, headers))
        return io.BytesIO().write

    body = b"".join(app(environ, start_response))
    ((status, headers),) = begun
    return Answer(int(status.split()[0]), dict(headers), body)


def child(element: ElementTree.Element, path: str) -> ElementTree.Element:
    found = element.find(path)
    assert found is not None, path
    return found


def to_xml(parameters: Mapping[str, object]) -> bytes:
    def element(name: str, value: object) -> str:
        if isinstance(value, Mapping):
            return f"<{name}>{''.join(element(key, item) for key, item in value.items())}</{name}>"
        return f"<{name}>{escape(str(value))}</{name}>"

    return element("xml", parameters).encode()


def post(app: Sandbox, path: str, parameters: Mapping[str, object], format: str = "json", **more: object) -> Answer:
    """Posts parameters in a format, with TOKEN unless they hold another token."""
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
    """Finishes all tasks of a sandbox without a worker."""
    while app.step():
        pass


def counted(app: Sandbox, path: str, **parameters: object) -> list:
    """The result of a refresh in a sandbox without a worker."""
    task_id = start(app, path, **parameters)
    finish(app)
    return status(app, task_id)["result"]


def counters(entry: dict, channel: str = "email") -> dict:
    (found,) = [item["status"] for item in entry["channels"] if item["channel"] == channel]
    return found
