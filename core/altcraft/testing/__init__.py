"""For the tests of those who use the library: fakes that stand in for the world."""

from altcraft.testing.fakes import FakeClock, FakeTransport, reply

__all__ = ["FakeClock", "FakeTransport", "reply"]
