"""What a transport has to do, as a pytest class that knows nothing of any library.

How to use it: docs/writing-a-transport.md. pytest itself is not imported here.
"""

from __future__ import annotations

from altcraft.testing.transport.failures import FailureCases
from altcraft.testing.transport.network import HintBreaker, NetworkCases
from altcraft.testing.transport.replies import ReplyCases
from altcraft.testing.transport.sharing import SharingCases

__all__ = ["HintBreaker", "TransportContract"]


class TransportContract(ReplyCases, FailureCases, SharingCases, NetworkCases):
    """Subclass it, and say how your transport is made; pytest does the rest, with real sockets on this machine.

        class TestMine(TransportContract):
            options = frozenset({"max_response"})

            @pytest.fixture
            def make_transport(self):
                return MyTransport

    `make_transport` is a function that makes a fresh transport each time. It is called with the options that a case
    needs; those that yours takes are named in `options`, and cases that need others are skipped:

    * `max_response` (int): bytes of a reply, decompressed, beyond which it is ResponseTooLarge;
    * `connections` (int): how many may be open at once;
    * `proxy` (str): the URL of an HTTP proxy;
    * `tls` (`HintBreaker`): files with the authorities to trust and the certificate to show.

    `keeps_connections` is False for a transport that makes a new one each time.

    `loop` is "asyncio" or "trio" for an AsyncTransport, whose factory is then called in that loop.
    """
