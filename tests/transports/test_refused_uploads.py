"""A server refuses a large upload half-way, and resets the connection at once: every transport hears the refusal."""

from __future__ import annotations

import pytest

from altcraft.testing.transport.loopback import Loopback, Talk, reply
from transports.bundled import every_transport, using


@every_transport
@pytest.mark.parametrize("taken", [1_000, 200_000])
def test_a_refusal_that_is_followed_by_a_reset_at_once_is_heard(name: str, is_async: bool, taken: int) -> None:
    statuses = (401, 407, 413, 503)

    def script(talk: Talk) -> None:
        talk.take(taken)
        status = statuses[talk.number - 1]
        talk.send(reply(b"no", "Connection: close", status=f"{status} No", length=2))
        talk.reset()

    with Loopback(script) as server, using(name, is_async) as used:
        answers = [used.send(server.url, b"x" * (8 << 20)) for _ in statuses]
    assert [(answer.status, answer.body) for answer in answers] == [(status, b"no") for status in statuses]
