"""For the tests of those who use the library: fakes that stand in for the world, and contracts to keep."""

from altcraft.testing.codec_contract import CodecContract
from altcraft.testing.contract import Waiver
from altcraft.testing.fakes import AsyncFakeTransport, FakeClock, FakeTransport, reply
from altcraft.testing.operation_contract import Example, OperationContract
from altcraft.testing.transport_contract import TransportContract

__all__ = [
    "AsyncFakeTransport",
    "CodecContract",
    "Example",
    "FakeClock",
    "FakeTransport",
    "OperationContract",
    "TransportContract",
    "Waiver",
    "reply",
]
