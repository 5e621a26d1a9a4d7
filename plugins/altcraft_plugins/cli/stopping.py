"""What ends a command before its end: exceptions that app.py turns into words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from altcraft_plugins.cli.problems import Problem

__all__ = ["Misuse", "Stopped"]


class Misuse(Exception):
    """The command cannot be carried out as it was typed. The text says what to type instead."""


class Stopped(Exception):
    """The command cannot go on; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem
