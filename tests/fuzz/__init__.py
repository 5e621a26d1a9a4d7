"""Random documents for the codecs, in two ways: `python -m tests.fuzz` needs nothing, fuzz_codecs.py needs atheris."""
