"""A server refuses a large upload half-way, and resets the connection at once: which transports hear the refusal."""

from __future__ import annotations

import pytest

from altcraft import ConnectionLost, HttpResponse
from altcraft.testing.transport.loopback import Loopback, Talk, reply
from transports.bundled import every_transport, using

SOMETIMES_DEAF = {"pycurl", "aiohttp"}
"""Their libraries may meet the reset first, and drop the reply unread. docs/reference/transports.md says so."""


@every_transport
@pytest.mark.parametrize("taken", [1_000, 200_000])
def test_a_refusal_that_is_followed_by_a_reset_at_once_is_heard(name: str, is_async: bool, taken: int) -> None:
    statuses = (401, 407, 413, 503) * 2

    def script(talk: Talk) -> None:
        talk.take(taken)
        status = statuses[talk.number - 1]
        talk.send(reply(b"no", "Connection: close", status=f"{status} No", length=2))
        talk.reset()

    answers: list[HttpResponse | ConnectionLost] = []
    with Loopback(script) as server, using(name, is_async) as used:
        for _ in statuses:
            try:
                answers.append(used.send(server.url, b"x" * (8 << 20)))
            except ConnectionLost as error:
                answers.append(error)
    heard = [answer for answer in answers if isinstance(answer, HttpResponse)]
    if name not in SOMETIMES_DEAF:
        assert len(heard) == len(statuses), answers
    for answer, status in zip(answers, statuses, strict=True):
        if isinstance(answer, HttpResponse):
            assert (answer.status, answer.body) == (status, b"no")
