"""The receiver inside web frameworks. Each file is an example to copy, and the tests run it."""
