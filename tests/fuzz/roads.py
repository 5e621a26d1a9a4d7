"""The express road against the general one: mutants, each read by both, which must say the same."""

from __future__ import annotations

import random
from collections import Counter

from altcraft import DecodeError
from altcraft.codecs import Codec
from altcraft.codecs.xml import XmlCodec
from fuzz.corpus import corpus
from fuzz.mutate import Mutator

__all__ = ["Difference", "compare"]


class Difference(AssertionError):
    """A document that the two roads don't read alike."""


LESSON = 500
"""Mutants for which a codec is kept."""


def compare(mutants: int, seed: int) -> Counter[str]:
    """Counts: `hits` took the express road, `refused` were errors on both. Raises Difference with the first it finds.

    A codec learns a few documents by heart, each in the order it has, and then reads mutants of them. Half of these
    have nothing changed but texts, since only what looks regular puts the express road to the test. Some mutants are
    among the documents that later codecs learn.
    """
    dice = random.Random(f"roads {seed}")
    general = XmlCodec(express=False)
    seeds = corpus("xml")
    mutator = Mutator("xml", [data for data, _type in seeds], dice)
    pool = list(seeds)
    counts: Counter[str] = Counter(mutants=mutants, hits=0, refused=0)
    for number in range(mutants):
        if number % LESSON == 0:
            codec = XmlCodec()
            assert codec.express is not None
            learnt = [*dice.sample(seeds, 3), *dice.sample(pool, 3)]
            for data, type_ in learnt * 3:
                _said(codec, data, type_)
        parent, type_ = dice.choice(learnt)
        data = mutator.mutate(parent) if number % 2 else mutator.revalue(parent)
        before = codec.express.hits
        said, expected = _said(codec, data, type_), _said(general, data, type_)
        if said != expected:
            raise Difference(f"mutant {number} of seed {seed}: {data!r} as {type_}: {said}, and {expected}")
        counts["hits"] += codec.express.hits - before
        refused = expected.startswith("refused: ")
        counts["refused"] += refused
        if not refused and len(data) < 4_000 and dice.random() < 0.02:
            if len(pool) < len(seeds) + 200:
                pool.append((data, type_))
            else:
                pool[dice.randrange(len(seeds), len(pool))] = (data, type_)
        if number % 8 == 0:
            _said(codec, parent, type_)  # so that misses in a row don't close the road
    return counts


def _said(codec: Codec, data: bytes, type_: type) -> str:
    try:
        return repr(codec.decode(data, type_))
    except DecodeError as error:
        return f"refused: {error!r}"
