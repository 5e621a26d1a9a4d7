"""Plugins of all clients of a process: those that exist, and those that are made later."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from altcraft import Client, hookimpl
from altcraft.hooks import Hooks, register_everywhere, unregister_everywhere
from altcraft.testing import FakeTransport, reply


class Counter:
    """Counts the exchanges that it hears of."""

    def __init__(self) -> None:
        self.heard = 0

    @hookimpl
    def altcraft_exchange_finished(self) -> None:
        self.heard += 1


class Other(Counter):
    pass


@pytest.fixture
def counter() -> Iterator[Counter]:
    made = Counter()
    register_everywhere(made)
    yield made
    unregister_everywhere(made)


def client(*plugins: object) -> Client:
    return Client("https://example.com", "token", transport=FakeTransport([reply([])] * 9), plugins=plugins)


def count(made: Client) -> None:
    made.databases.get_counters(5, resource_id=24)


def test_it_hears_of_the_clients_that_exist_and_of_those_made_later() -> None:
    with client() as earlier:
        counter = Counter()
        register_everywhere(counter)
        try:
            with client() as later:
                count(earlier)
                count(later)
                assert counter.heard == 2
                assert [plugin.name for plugin in later.plugins()] == ["Counter"]
        finally:
            unregister_everywhere(counter)
        count(earlier)
        assert counter.heard == 2
        assert earlier.plugins() == ()


def test_a_client_that_has_a_plugin_of_its_class_keeps_that_one_alone(counter: Counter) -> None:
    own, later, other = Counter(), Counter(), Other()
    with client(own, other) as first, client() as second:
        second.hooks.register(later)
        count(first)
        count(second)
    assert (counter.heard, own.heard, later.heard, other.heard) == (0, 1, 1, 1)


def test_it_is_registered_everywhere_once(counter: Counter) -> None:
    with pytest.raises(ValueError, match="already registered"):
        register_everywhere(counter)
    with pytest.raises(ValueError, match="not registered"):
        unregister_everywhere(Counter())
    unregister_everywhere(Counter(), missing_ok=True)


def test_what_is_no_plugin_reaches_no_client() -> None:
    with client() as made:
        with pytest.raises(TypeError, match="is a class"):
            register_everywhere(Counter)
        assert made.plugins() == ()
    assert Hooks().plugins() == ()
