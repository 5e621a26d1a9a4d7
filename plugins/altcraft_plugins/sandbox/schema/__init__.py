"""The structs that the sandbox reads from requests and writes into replies."""
