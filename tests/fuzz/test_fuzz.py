"""A short run of each fuzzer: it shows that they work, and finds what is easy to find."""

from __future__ import annotations

import random

import pytest

from fuzz.corpus import corpus
from fuzz.mutate import Mutator
from fuzz.run import fuzz
from hostile import check, codec_named


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["json", "xml"])
def test_mutants_of_the_golden_documents_are_read_or_refused(format_: str) -> None:
    counts = fuzz(format_, 10_000, seed=7)
    assert sum(counts.values()) == 10_000
    assert counts["value"] > 2_000, "the mutants are too wild to reach the schema"
    assert counts["refused"] > 2_000, "the mutants are too tame"


@pytest.mark.parametrize("format_", ["json", "xml"])
def test_the_same_seed_makes_the_same_mutants(format_: str) -> None:
    def documents(seed: int) -> list[bytes]:
        seeds = [data for data, _type in corpus(format_)]
        mutator = Mutator(format_, seeds, random.Random(seed))
        return [mutator.mutate(seeds[number % len(seeds)]) for number in range(500)]

    assert documents(1) == documents(1)
    assert documents(1) != documents(2)


@pytest.mark.parametrize("format_", ["json", "xml"])
def test_every_document_of_the_corpus_is_read(format_: str) -> None:
    for data, type_ in corpus(format_):
        assert not isinstance(check(codec_named(format_), data, type_), Exception)
