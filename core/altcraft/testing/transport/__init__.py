"""The parts of `altcraft.testing.TransportContract`: a scripted server, a transport under test, and the cases."""
