"""Runs a function in a child process: one that may hang, take all memory or crash the interpreter fails its test only.

The child has a limit of address space and of time. It runs one function of this package and prints the result.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import altcraft

TESTS = Path(__file__).resolve().parent.parent
CEILING = 3 << 30
"""Bytes of address space."""


def in_child(function: str, *arguments: object, timeout: float = 60.0) -> Any:
    """What `hostile.<module>:<function>` returns in a new interpreter. Arguments and result travel as JSON.

    AssertionError when the child does not end in time, or ends without a result.
    """
    roots = [str(Path(altcraft.__file__).parents[1]), str(TESTS)]
    command = [sys.executable, "-m", "hostile.child", function, json.dumps(arguments)]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(roots), "PYTHONWARNINGS": "error"},
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{function}{arguments} did not end within {timeout:g} s") from None
    said = done.stderr.decode(errors="replace")[-2000:]
    assert done.returncode == 0, f"{function}{arguments} ended with {done.returncode}: {said}"
    return json.loads(done.stdout)


def limit_memory() -> None:
    """Limit this process's address space, where the system can do so."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (CEILING, CEILING))


def peak() -> int:
    """The most memory that this process has held so far, in bytes; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    import importlib

    limit_memory()
    module, _, name = sys.argv[1].partition(":")
    function = getattr(importlib.import_module(f"hostile.{module}"), name)
    print(json.dumps(function(*json.loads(sys.argv[2]))))  # noqa: T201  # read by in_child


if __name__ == "__main__":
    main()
