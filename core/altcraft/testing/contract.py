"""What the contracts have in common: the cases that may be declared as not supported, and the progress under pytest.

This module does not import pytest. A subclass that is defined under pytest shows its progress: see `progress`.
"""

from __future__ import annotations

import sys
from typing import ClassVar, NamedTuple, NoReturn

__all__ = ["DECLARED", "Contract", "Waiver", "skip"]

DECLARED = "declared as not supported"
"""How the reason of a skipped case begins, where the implementation has declared it."""


class Waiver(NamedTuple):
    """What an implementation may declare as not supported. Everything else is required.

    * `name` is what is not supported.
    * `declared_by` says how the subclass of the contract, or the implementation, declares it.
    * `reason` says why the library can do without it.
    * `cases` are skipped then.
    """

    name: str
    declared_by: str
    reason: str
    cases: tuple[str, ...]


class Contract:
    """A pytest class to subclass. `waivers` is the whole list of what may be declared as not supported."""

    waivers: ClassVar[tuple[Waiver, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if sys.modules.get("pytest") is not None:
            from altcraft.testing.progress import contract_progress

            cls.contract_progress = contract_progress  # type: ignore[attr-defined]  # a fixture, for pytest alone

    @classmethod
    def cases(cls) -> dict[str, tuple[Waiver, ...]]:
        """Every case by name, and the waivers that skip it. A case without one is required."""
        return {
            name: tuple(waiver for waiver in cls.waivers if name in waiver.cases)
            for name in dir(cls)
            if name.startswith("test_")
        }

    def waive(self, name: str) -> NoReturn:
        """Skips the case that runs, because the implementation has declared `name` as not supported."""
        (reason,) = (waiver.reason for waiver in self.waivers if waiver.name == name)
        skip(f"{DECLARED}: {name}: {reason}")


def skip(reason: str) -> NoReturn:
    """Skips the case that runs. pytest is imported here, so that the contracts can be imported without it."""
    import pytest

    pytest.skip(reason)
