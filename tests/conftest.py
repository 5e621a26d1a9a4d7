"""What every test gets without asking: no thread left behind, no proxy, and property tests that repeat themselves."""

from __future__ import annotations

import gc
import os
import pathlib
import signal
import threading
import time
from collections.abc import Iterator

import hypothesis
import pytest

from both_clients import KINDS, World

# A shell without job control has its background processes ignore SIGINT, and their children inherit that. A test that
# interrupts itself or a process of its own would then wait for ever.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The machine's own proxies are not for servers on loopback, nor for the processes that tests start.
for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)

# The same examples in every run: a few in the README's line, more in .ci/run (HYPOTHESIS_PROFILE=thorough).
# HYPOTHESIS_PROFILE=explore looks for new ones. No clock fails them.
_PATIENT = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("quick", max_examples=20, derandomize=True, **_PATIENT)
hypothesis.settings.register_profile("thorough", derandomize=True, **_PATIENT)
hypothesis.settings.register_profile("explore", max_examples=2000, **_PATIENT)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


# Places whose tests the interpreter's version hardly matters to, or that need more than the extra `test-core`. CI runs
# them on the default interpreter alone.
ONCE = (
    "browser", "codecs/test_xml_limits.py", "engines", "exchange/test_echoes.py", "examples", "faults", "fuzz",
    "hostile", "integration/test_fork_servers.py", "integration/test_framework_pages.py",
    "integration/test_notebook_page.py", "packed", "plugins/celery", "plugins/cli", "plugins/feedback",
    "plugins/history", "plugins/logs", "plugins/notebook", "plugins/otel", "plugins/plan", "plugins/pytest_plugin",
    "plugins/report", "servers", "site", "test_codec_benchmark.py", "test_docs_complete.py", "test_packaging.py",
    "test_per_loop.py", "test_readme_and_docs.py", "testing/test_transport_contract.py",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the other interpreters."""
    parser.addoption("--essential", action="store_true", help="leave out the tests that one interpreter is enough for")


def pytest_ignore_collect(collection_path: pathlib.Path, config: pytest.Config) -> bool | None:
    """Leave those places out, before they import what may not be installed."""
    place = collection_path.relative_to(pathlib.Path(__file__).parent).as_posix()
    return True if config.getoption("--essential") and place in ONCE else None


def pytest_collection_finish() -> None:
    """Spare the tests that collect garbage the thousands of objects that collecting tests has made."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_thread_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves a thread running. A thread that is about to end has a second for it."""
    before = set(threading.enumerate())
    yield
    if request.node.get_closest_marker("leaves_threads"):
        return
    patience = time.monotonic() + 1.0
    while (left := set(threading.enumerate()) - before) and time.monotonic() < patience:
        time.sleep(0.01)
    assert not left, f"threads left running: {sorted(thread.name for thread in left)}"


both_kinds = pytest.fixture(params=["threads", "asyncio"])


@both_kinds
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Runs a test on both clients."""
    made = World(is_async=request.param == "asyncio")
    yield made
    made.close()


@both_kinds
def both_clients(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs a test that makes its clients with `plain_client` on both clients."""
    KINDS.append(request.param)
    yield
    KINDS.pop()
