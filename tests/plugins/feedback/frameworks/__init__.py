"""The receiver inside web frameworks: each file is an example to copy from, and runs in the tests."""
