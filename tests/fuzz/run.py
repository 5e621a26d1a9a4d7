"""The loop of the plain fuzzer: it makes mutants of one format, and passes each to `hostile.check`."""

from __future__ import annotations

import random
import time
from collections import Counter

from altcraft import DecodeError, UnsafeXml
from fuzz.corpus import corpus
from fuzz.mutate import Mutator
from hostile import TYPES, check, codec_named

__all__ = ["Failure", "fuzz"]


class Failure(AssertionError):
    """A document that breaks a promise. `data` and `type` repeat the failure."""

    def __init__(self, data: bytes, type_: type, execution: int, cause: BaseException) -> None:
        super().__init__(f"execution {execution}: decoding {data!r} as {type_}: {type(cause).__name__}: {cause}")
        self.data = data
        self.type = type_


def fuzz(format_: str, executions: int, seed: int, *, slowest_allowed: float = 5.0) -> Counter[str]:
    """Counts of outcomes: value, refused, unsafe. Raises Failure for the first document that breaks a promise.

    One codec reads all documents, as in a client. Some mutants become parents, so that changes add up. A document that
    takes longer than `slowest_allowed` seconds is a failure.
    """
    dice = random.Random(f"{format_} {seed}")
    codec, seeds = codec_named(format_), corpus(format_)
    mutator = Mutator(format_, [data for data, _type in seeds], dice)
    pool = list(seeds)
    counts: Counter[str] = Counter()
    for execution in range(executions):
        parent, type_ = dice.choice(pool)
        data = mutator.mutate(parent)
        if dice.random() < 0.1:
            type_ = dice.choice(TYPES)
        began = time.perf_counter()
        try:
            result = check(codec, data, type_)
        except BaseException as error:
            raise Failure(data, type_, execution, error) from error
        if time.perf_counter() - began > slowest_allowed:
            raise Failure(data, type_, execution, TimeoutError(f"took {time.perf_counter() - began:.1f} s"))
        kind = "unsafe" if isinstance(result, UnsafeXml) else "refused" if isinstance(result, DecodeError) else "value"
        counts[kind] += 1
        if kind == "value" and len(data) < 4_000 and dice.random() < 0.05:
            if len(pool) < len(seeds) + 200:
                pool.append((data, type_))
            else:
                pool[dice.randrange(len(seeds), len(pool))] = (data, type_)
    return counts
