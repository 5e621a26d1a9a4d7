"""What `altcraft.testing.TransportContract` is made of: a scripted server, a pilot for either kind, and the cases."""
