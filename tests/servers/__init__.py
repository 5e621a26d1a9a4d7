"""The library behind real servers: nginx in front of the sandbox, squid between the client and both."""
