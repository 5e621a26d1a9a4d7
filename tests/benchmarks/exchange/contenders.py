"""Who takes part: Python source for each, which `tests.benchmarks.instructions` and the clock both run."""

from __future__ import annotations

from typing import NamedTuple

from tests.benchmarks.instructions import Case

__all__ = ["CALLS", "Contender", "contenders"]

_TOKEN = "abcdefghijklmnqrstuvwxyz"
CALLS = {
    "tasks/status": 'client.tasks.status("930bfdb0-a5a8-4207-a77d-6b989bdea326")',
    "segments/get_counters": "client.segments.get_counters(7, resource_id=24)",
}
"""The operations that are measured, and the call of each."""


class Contender(NamedTuple):
    """One way to carry out an operation, from its parameters to its reply."""

    operation: str
    name: str
    case: Case
    is_ours: bool = False


def contenders(port: int) -> list[Contender]:
    """All of them, for a server on that port."""
    return [entry for operation in CALLS for entry in (*_theirs(operation, port), *_ours(operation, port))]


def _common(operation: str, port: int) -> str:
    return (
        f"PORT, PATH = {port}, '/api/v1.1/{operation}'\n"
        "URL = f'http://127.0.0.1:{PORT}'\n"
        f'BODY = b\'{{"task_id":"930bfdb0-a5a8-4207-a77d-6b989bdea326","token":"{_TOKEN}","format":"json"}}\'\n'
        "JSON = 'application/json'\n"
        "HEADERS = {'Content-Type': JSON, 'Accept': JSON, 'User-Agent': 'altcraft-client'}\n"
    )


def _theirs(operation: str, port: int) -> list[Contender]:
    """Bytes out, bytes in: none of these decodes anything."""
    sources = {
        "http.client": (
            "import http.client\nconnection = http.client.HTTPConnection('127.0.0.1', PORT)\n",
            "connection.request('POST', PATH, BODY, HEADERS); connection.getresponse().read()",
        ),
        "urllib3 urlopen": (
            "import urllib3\npool = urllib3.HTTPConnectionPool('127.0.0.1', PORT)\n",
            "pool.urlopen('POST', PATH, body=BODY, headers=HEADERS).data",
        ),
        "urllib3 PoolManager": (
            "import urllib3\nmanager = urllib3.PoolManager()\n",
            "manager.request('POST', URL + PATH, body=BODY, headers=HEADERS).data",
        ),
        "elastic-transport": (
            (
                "import elastic_transport\n"
                "node = elastic_transport.NodeConfig('http', '127.0.0.1', PORT)\n"
                "transport = elastic_transport.Transport([node])\n"
            ),
            "transport.perform_request('POST', PATH, body=BODY, headers=HEADERS).body",
        ),
        "httpx": (
            "import httpx\nclient = httpx.Client(base_url=URL)\n",
            "client.post(PATH, content=BODY, headers=HEADERS).content",
        ),
        "requests": (
            "import requests\nsession = requests.Session()\n",
            "session.post(URL + PATH, data=BODY, headers=HEADERS).content",
        ),
        "azure-core": (
            "from azure.core import PipelineClient, rest\nclient = PipelineClient(URL)\n",
            "client.send_request(rest.HttpRequest('POST', URL + PATH, content=BODY, headers=HEADERS)).content",
        ),
    }
    if operation != "tasks/status":
        sources = {"urllib3 urlopen": sources["urllib3 urlopen"]}
    common = _common(operation, port)
    return [
        Contender(operation, name, Case(common + setup, statement, 30, 300))
        for name, (setup, statement) in sources.items()
    ]


def _ours(operation: str, port: int) -> list[Contender]:
    """The whole of it: checked parameters in, typed values out."""
    found = []
    for transport in ("urllib3", "http_client", "pycurl", "httpx"):
        client = f"import altcraft\nclient = altcraft.Client(URL, token='{_TOKEN}', transport='{transport}')\n"
        case = Case(_common(operation, port) + client, CALLS[operation], 30, 300)
        found.append(Contender(operation, f"altcraft, {transport}", case, is_ours=True))
    return found
