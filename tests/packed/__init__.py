"""The library inside programs that were packed for distribution."""
