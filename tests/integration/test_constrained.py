"""What docs/how-to/constrained-machines.md promises: the main job with parts of Python and of the library missing.

Each case is a process of its own, against a served sandbox. An import of what is missing fails there.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from altcraft_plugins.sandbox import serve

RECOUNT = """
import os, sys

missing = set(filter(None, os.environ["MISSING"].split(",")))

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in missing or name.partition(".")[0] in missing:
            raise ImportError(f"{name} is missing here")

sys.meta_path.insert(0, Missing())
if os.environ.get("MEBIBYTES"):
    import resource
    size = int(os.environ["MEBIBYTES"]) * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
if os.environ.get("READ_ONLY"):
    def refuse_to_write(event, arguments):
        if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
            raise PermissionError(f"a read-only file system: {arguments[0]}")
        if event in {"os.mkdir", "os.rename", "os.remove", "sqlite3.connect"}:
            raise PermissionError(f"a read-only file system: {event}")
    sys.addaudithook(refuse_to_write)

from altcraft import Client

url, token, transport, codec = (os.environ[name] for name in ("URL", "TOKEN", "TRANSPORT", "CODEC"))
with Client(url, token=token, transport=transport, codec=codec) as client:
    (segment,) = client.segments.refresh_counters(7, resource_id=24, db_id=1).result(timeout=60)
print(segment.channels[0].status.subscribed_sendable)
"""
pytestmark = pytest.mark.slow

PLUGINS_AND_TESTING = "altcraft_plugins,altcraft.testing"


@pytest.fixture(scope="module")
def platform():
    with serve(port=0, pace=0, tokens=["a-token-for-tests"]) as server:
        yield server.url


def recount(url, *, missing="", transport="urllib3", codec="json", **more):
    environment = {
        **os.environ,
        "URL": url,
        "TOKEN": "a-token-for-tests",
        "MISSING": missing,
        "TRANSPORT": transport,
        "CODEC": codec,
        **more,
    }
    command = [sys.executable, "-W", "ignore", "-B", "-c", RECOUNT]
    return subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.leaves_threads
@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"missing": "ssl,_ssl"}, id="no ssl"),
        pytest.param({"missing": "sqlite3,_sqlite3"}, id="no sqlite3"),
        pytest.param({"missing": "urllib3", "transport": "http_client"}, id="no urllib3"),
        pytest.param({"missing": "defusedxml,xml,pyexpat"}, id="no XML"),
        pytest.param({"missing": PLUGINS_AND_TESTING}, id="no plugins and no test tools"),
        pytest.param(
            {
                "missing": f"ssl,_ssl,sqlite3,_sqlite3,urllib3,defusedxml,asyncio,{PLUGINS_AND_TESTING}",
                "transport": "http_client",
            },
            id="none of them",
        ),
        pytest.param({"READ_ONLY": "1"}, id="a read-only file system"),
        pytest.param({"READ_ONLY": "1", "codec": "xml"}, id="a read-only file system, over XML"),
        pytest.param({"MEBIBYTES": "64"}, id="64 MiB"),
        pytest.param({"MEBIBYTES": "64", "codec": "xml"}, id="64 MiB, over XML"),
    ],
)
def test_a_segment_is_recounted_with(platform, how):
    ran = recount(platform, **how)
    assert (ran.returncode, ran.stdout.strip()) == (0, "209"), ran.stderr


def test_https_without_ssl_says_what_to_do():
    ran = recount("https://127.0.0.1:9", missing="ssl,_ssl")
    assert ran.returncode == 1
    assert "ssl" in ran.stderr.splitlines()[-1]
    assert "altcraft.errors" in ran.stderr.splitlines()[-1]
