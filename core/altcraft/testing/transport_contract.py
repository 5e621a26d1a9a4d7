"""What a transport must do, as a pytest class that knows no library. It can be imported without pytest.

Page: docs/how-to/writing-a-transport.md.
"""

from __future__ import annotations

from altcraft.testing.transport.failures import FailureCases
from altcraft.testing.transport.keeping import KeepingCases
from altcraft.testing.transport.network import NetworkCases, Trust
from altcraft.testing.transport.replies import ReplyCases
from altcraft.testing.transport.sharing import SharingCases
from altcraft.testing.waivers import TRANSPORT

__all__ = ["TransportContract", "Trust"]


class TransportContract(ReplyCases, FailureCases, KeepingCases, SharingCases, NetworkCases):
    """A pytest class to subclass. Its cases use real sockets on this machine::

        class TestMine(TransportContract):
            options = frozenset({"max_response"})

            @pytest.fixture
            def make_transport(self):
                return MyTransport

    `make_transport` returns a function that makes a fresh transport at each call, with the options that a case needs.
    `options` names those that yours takes; the cases that need others are skipped, as `waivers` lists them:

    * `max_response` (int): bytes of a reply, decompressed, beyond which it is ResponseTooLarge;
    * `connections` (int): how many are open at most;
    * `keep_idle` (float): seconds after which an idle connection is not used again;
    * `proxy` (str): the URL of an HTTP proxy;
    * `tls` (`Trust`): files with the authorities to trust and the certificate to show.

    `keeps_connections` is False for a transport that makes a new one each time.

    `loop` is "asyncio" or "trio" for an AsyncTransport, whose factory is then called in that loop.
    """

    waivers = TRANSPORT
