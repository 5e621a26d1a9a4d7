"""The two files of the how-to, run as two processes."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "feedback-across-processes.md"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return bound.getsockname()[1]


@pytest.mark.slow
def test_the_two_processes_of_the_how_to_work_together(tmp_path):
    files = re.findall(r"^```python3\n# ([\w.]+)\n(.*?)^```", PAGE.read_text("utf-8"), flags=re.M | re.S)
    assert [name for name, _ in files] == ["web.py", "worker.py"]
    for name, text in files:
        (tmp_path / name).write_text(text, "utf-8")
    env = {
        **os.environ,
        "ALTCRAFT_URL": "sandbox:?pace=0.5",
        "ALTCRAFT_FEEDBACK_URL": f"http://127.0.0.1:{free_port()}/altcraft",
        "ALTCRAFT_FEEDBACK_SECRET": "a secret that both of them have",
        "BUS_PORT": str(free_port()),
    }
    web = subprocess.Popen(
        [sys.executable, "web.py"], cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert web.stdout
        assert web.stdout.readline() == "web.py listens\n"
        began = time.monotonic()
        worker = subprocess.run(
            [sys.executable, "worker.py"],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        took = time.monotonic() - began
    finally:
        web.kill()
        web.communicate()
    assert (worker.stdout, worker.stderr) == ("1336 profiles\n", "")
    assert took < 30, "no key came over the bus: the worker found the end by polling"
