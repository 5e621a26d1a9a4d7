"""Coverage-guided fuzzing of the codecs with atheris (`pip install atheris`, CPython on Linux).

    python tests/fuzz/fuzz_codecs.py xml [libFuzzer's arguments: -runs=2000000, -max_total_time=600, a corpus directory]

The first byte of an input chooses the type, the rest is the document; what holds of the outcome stands in
hostile/__init__.py. libFuzzer's own mutations take turns with the plain runner's, which know what a token is.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["altcraft", "xml", "defusedxml"]):
    from fuzz.corpus import corpus
    from fuzz.mutate import Mutator
    from hostile import TYPES, check, codec_named, outcome

    # What a codec imports with its first use has to come in here, where it is instrumented.
    for name in ("json", "xml"):
        for first in (*(document for document, _type in corpus(name)), b"<!DOCTYPE xml><xml/>"):
            outcome(codec_named(name), first, object)


def main() -> None:
    format_ = sys.argv.pop(1)
    codec, seeds = codec_named(format_), corpus(format_)
    types = list(dict.fromkeys([*TYPES, *(type_ for _data, type_ in seeds)]))

    def test_one_input(data: bytes) -> None:
        if data:
            check(codec, data[1:], types[data[0] % len(types)])

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        dice = random.Random(seed)
        if len(data) < 2 or dice.random() < 0.5:
            return bytes(atheris.Mutate(data, longest))
        mutator = Mutator(format_, [document for document, _type in seeds], dice)
        return (data[:1] + mutator.mutate(data[1:]))[:longest]

    with tempfile.TemporaryDirectory() as directory:
        for number, (document, type_) in enumerate(seeds):
            Path(directory, str(number)).write_bytes(bytes([types.index(type_)]) + document)
        arguments = [*sys.argv, directory]
        atheris.Setup([*arguments, "-max_len=20000", "-timeout=10"], test_one_input, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
