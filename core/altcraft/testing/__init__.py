"""For the tests of those who use the library: fakes that stand in for the world, and contracts to keep."""

from altcraft.testing.codec_contract import CodecContract
from altcraft.testing.fakes import AsyncFakeTransport, FakeClock, FakeTransport, reply
from altcraft.testing.transport_contract import TransportContract

__all__ = ["AsyncFakeTransport", "CodecContract", "FakeClock", "FakeTransport", "TransportContract", "reply"]
