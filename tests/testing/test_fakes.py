"""The scripted transport, in both kinds."""

from __future__ import annotations

import pytest

from altcraft.testing import reply
from both_clients import World

FIRST, SECOND, THIRD = reply([]), reply([]), reply([])


def test_remaining_is_what_the_script_has_left(world: World) -> None:
    client = world.client([FIRST, SECOND])
    assert client.fake.remaining == (FIRST, SECOND)
    world.do(client.databases.get_counters(5, resource_id=24))
    assert client.fake.remaining == (SECOND,)
    world.do(client.databases.get_counters(5, resource_id=24))
    assert client.fake.remaining == ()
    with pytest.raises(AssertionError, match="no answer to request 3"):
        world.do(client.databases.get_counters(5, resource_id=24))


def test_a_reply_that_is_repeated_counts_as_played_once_it_was_sent(world: World) -> None:
    client = world.client([FIRST], repeat=True)
    assert client.fake.remaining == (FIRST,)
    for _ in range(3):
        world.do(client.databases.get_counters(5, resource_id=24))
        assert client.fake.remaining == ()


@pytest.mark.parametrize("repeat", [False, True])
def test_a_script_is_extended_by_what_comes_next(world: World, repeat: bool) -> None:
    client = world.client([FIRST], repeat=repeat)
    world.do(client.databases.get_counters(5, resource_id=24))
    client.fake.extend([SECOND, THIRD])
    assert client.fake.remaining == (SECOND, THIRD)
    world.do(client.databases.get_counters(5, resource_id=24))
    assert client.fake.remaining == (THIRD,)
