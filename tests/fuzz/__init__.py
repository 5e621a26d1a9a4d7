"""Two fuzzers for the codecs. `python -m tests.fuzz` needs no library; fuzz_codecs.py needs atheris."""
