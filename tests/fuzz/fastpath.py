"""Compares the fast path of XML with the general reader: both read each mutant, and must agree."""

from __future__ import annotations

import random
from collections import Counter

from altcraft import DecodeError
from altcraft.codecs import Codec
from altcraft.codecs.xml import XmlCodec
from altcraft.codecs.xml.fastpath import FastPath
from fuzz.corpus import corpus
from fuzz.mutate import Mutator

__all__ = ["Difference", "compare"]


class Difference(AssertionError):
    """A document that the two readers read differently."""


MUTANTS = 500
"""Mutants for which a codec is kept."""


def compare(mutants: int, seed: int) -> Counter[str]:
    """Counts: `hits` took the fast path, `refused` were errors for both. Raises Difference for the first difference.

    Each codec learns a few documents, and then reads mutants of these. Half of the mutants have only other texts, since
    a document of another form does not test the fast path. Later codecs learn some of the mutants too.
    """
    dice = random.Random(f"fastpath {seed}")
    general = XmlCodec(fast_path=False)
    seeds = corpus("xml")
    mutator = Mutator("xml", [data for data, _type in seeds], dice)
    pool = list(seeds)
    counts: Counter[str] = Counter(mutants=mutants, hits=0, refused=0)
    for number in range(mutants):
        if number % MUTANTS == 0:
            codec = XmlCodec()
            learnt = [*dice.sample(seeds, 3), *dice.sample(pool, 3)]
            for data, type_ in learnt * 3:
                _outcome(codec, data, type_)
        parent, type_ = dice.choice(learnt)
        data = mutator.mutate(parent) if number % 2 else mutator.revalue(parent)
        reader = codec.reader(type_)
        assert isinstance(reader, FastPath)
        before = reader.hits
        outcome, expected = _outcome(codec, data, type_), _outcome(general, data, type_)
        if outcome != expected:
            raise Difference(f"mutant {number} of seed {seed}: {data!r} as {type_}: {outcome}, and {expected}")
        counts["hits"] += reader.hits - before
        refused = expected.startswith("refused: ")
        counts["refused"] += refused
        if not refused and len(data) < 4_000 and dice.random() < 0.02:
            if len(pool) < len(seeds) + 200:
                pool.append((data, type_))
            else:
                pool[dice.randrange(len(seeds), len(pool))] = (data, type_)
        if number % 8 == 0:
            _outcome(codec, parent, type_)  # so that the fast path is not given up after many misses in a row
    return counts


def _outcome(codec: Codec, data: bytes, type_: type) -> str:
    try:
        return repr(codec.decode(data, type_))
    except DecodeError as error:
        return f"refused: {error!r}"
