"""Run where the four packages of docs/examples are installed: one client has them all, and each does its work.

The session `examples` of noxfile.py runs it, out of sight of the source tree.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

CHAT, PROFILES = "altcraft-chat", "altcraft-profiles"
OURS = {CHAT, "altcraft-h11", "altcraft-msgpack", PROFILES, "altcraft-client"}


class Webhook(BaseHTTPRequestHandler):
    """A chat that keeps what is posted."""

    posted: list[str] = []  # noqa: RUF012  # one for all requests

    def do_POST(self) -> None:
        """Keeps the text."""
        self.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def use(url: str) -> None:
    """Exports and downloads through the sandbox, with every plugin loaded, and lists the plugins."""
    os.environ["ALTCRAFT_CHAT_WEBHOOK"] = url
    from altcraft_chat.plugin import plugin as chat
    from altcraft_profiles import ProfilesGetAll

    import altcraft
    from altcraft import Client, Polling

    assert "site-packages" in str(altcraft.__file__), altcraft.__file__
    with Client("sandbox:?pace=0", polling=Polling(initial=0.01), load_entry_points=True) as client:
        loaded = client.plugins()
        assert {plugin.distribution for plugin in loaded} == OURS, loaded
        assert not [plugin for plugin in loaded if plugin.error], loaded
        assert client.submit(ProfilesGetAll("database", 1)).result(timeout=60).total == 1343
        assert client.codecs.by_name("msgpack").name == "msgpack"
    chat.close()
    assert [text.startswith("✅ profiles/get_all, task ") for text in Webhook.posted] == [True], Webhook.posted
    # By name, each of its own, without the other entry points.
    for arguments, distribution in (({"codec": "msgpack"}, "altcraft-msgpack"), ({"transport": "h11"}, "altcraft-h11")):
        with Client("https://altcraft.example", token="t", **arguments) as client:
            assert [plugin.distribution for plugin in client.plugins()] == [distribution]


def list_by_command(url: str) -> None:
    """`altcraft plugins` lists them too."""
    command = [str(Path(sys.executable).with_name("altcraft")), "plugins", "--json"]
    environ = os.environ | {"ALTCRAFT_CHAT_WEBHOOK": url, "ALTCRAFT_URL": "sandbox:"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    listed = [json.loads(line) for line in done.stdout.splitlines()]
    assert {plugin["distribution"] for plugin in listed} >= OURS, listed


if __name__ == "__main__":
    with HTTPServer(("127.0.0.1", 0), Webhook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            use(f"http://127.0.0.1:{server.server_port}/hooks/s3cret")
            list_by_command(f"http://127.0.0.1:{server.server_port}/hooks/s3cret")
        finally:
            server.shutdown()
            thread.join()
    print("the four plugins load together, and work")
