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


# Tests to which the interpreter's version hardly matters. CI runs them on the default interpreter alone: on the others,
# `-m "not once"` leaves them out.
ONCE = (
    "browser", "codecs/test_xml_limits.py", "engines", "exchange/test_echoes.py", "examples", "faults", "fuzz",
    "hostile", "plugins/celery", "plugins/cli", "plugins/feedback", "plugins/history", "plugins/logs", "plugins/otel",
    "plugins/plan", "plugins/pytest_plugin", "plugins/report", "site", "test_codec_benchmark.py",
    "test_docs_complete.py", "test_packaging.py", "test_readme_and_docs.py", "testing/test_transport_contract.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of those places."""
    here = pathlib.Path(__file__).parent
    places = [here / place for place in ONCE]
    once = {path: any(path.is_relative_to(place) for place in places) for path in {item.path for item in items}}
    for item in items:
        if once[item.path]:
            item.add_marker(pytest.mark.once)


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
