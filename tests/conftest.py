"""What every test gets without asking: no thread left behind, and property tests that repeat themselves."""

from __future__ import annotations

import os
import pathlib
import signal
import threading
import time
from collections.abc import Iterator

import hypothesis
import pytest

from both_clients import KINDS, World

# A shell without job control starts what it puts into the background deaf to SIGINT, and that is handed down: tests
# that interrupt themselves, or a process of theirs, would wait for ever.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run; HYPOTHESIS_PROFILE=explore looks for new ones, and longer. No clock fails them.
_PATIENT = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("steady", derandomize=True, **_PATIENT)
hypothesis.settings.register_profile("explore", max_examples=2000, **_PATIENT)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


# What an interpreter's version hardly touches, and what takes long: whole processes, floods, mutants by the thousand.
# The default interpreter runs it; on the others, `-m "not once"` leaves it out.
ONCE = (
    "codecs/test_xml_limits.py", "fuzz", "hostile", "plugins/cli", "plugins/feedback", "test_codec_benchmark.py",
    "test_packaging.py", "testing/test_transport_contract.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of those places."""
    here = pathlib.Path(__file__).parent
    places = tuple(here / place for place in ONCE)
    for item in items:
        if any(item.path.is_relative_to(place) for place in places):
            item.add_marker(pytest.mark.once)


@pytest.fixture(autouse=True)
def no_thread_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that ends with a thread it started; a thread that is ending gets a second to do so."""
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
    """Every test that asks for it runs on both clients."""
    made = World(is_async=request.param == "asyncio")
    yield made
    made.close()


@both_kinds
def both_clients(request: pytest.FixtureRequest) -> Iterator[None]:
    """The same for those who make their clients with `plain_client`."""
    KINDS.append(request.param)
    yield
    KINDS.pop()
