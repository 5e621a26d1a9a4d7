"""nginx reloads in mid-load: a lost submission says so, and none is doubled. `reload.py` measures how many are lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from servers.programs import Nginx
from servers.reload import load_during_reloads, nginx_before_the_sandbox
from servers.upstream import Upstream
from servers.wires import every_wire


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Nginx, Upstream]]:
    with nginx_before_the_sandbox() as pair:
        yield pair


@every_wire
def test_a_submission_lost_in_a_reload_is_a_connection_lost_and_never_doubled(
    kind: str, transport: str, pair: tuple[Nginx, Upstream]
) -> None:
    outcome = load_during_reloads((kind, transport), *pair, submissions=400, every=0.1)
    assert outcome.is_safe(), outcome
    assert outcome.reloads, "nothing was reloaded"
    assert outcome.lost < 80, "one in five is lost: the transport does not notice that connections are closed"
