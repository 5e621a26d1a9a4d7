"""A short run of the fuzzer that compares the fast path of XML with the general reader."""

from __future__ import annotations

import pytest

from fuzz.fastpath import compare


@pytest.mark.slow
def test_both_readers_read_mutants_alike() -> None:
    counts = compare(5_000, seed=7)
    assert counts["hits"] > 500, "the fast path is hardly tried"
    assert counts["refused"] > 1_000
