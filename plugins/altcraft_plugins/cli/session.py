"""What the commands that talk to the platform have in common."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from altcraft import AltcraftError, Client, NotFound, TaskFailed, Unauthorized
from altcraft_plugins.cli.connection import TOKEN_FILE_VARIABLE, Connection
from altcraft_plugins.cli.exit_codes import DONE
from altcraft_plugins.cli.options import TOKEN_VARIABLE
from altcraft_plugins.cli.output.reporter import Reporter, Result
from altcraft_plugins.cli.problems import Problem, problem_of, problem_of_interrupt
from altcraft_plugins.cli.signals import Interrupted
from altcraft_plugins.cli.stopping import Stopped
from altcraft_plugins.cli.subjects import Subject, subject_of

if TYPE_CHECKING:
    from altcraft import TaskHandle
    from altcraft_plugins.journal import Journal

__all__ = ["Session"]

IN_DOUBT: Final = "the task may or may not have been started, so the command does not submit it again"


class Session(Struct, frozen=True):
    """One command's client and reporter. `timeout` is how many seconds to wait for tasks; None: no limit.

    The methods report what became of a request, and return the exit code. `named` says that the command is about
    several subjects, so that people are told which one it is.
    """

    client: Client
    reporter: Reporter
    connection: Connection
    timeout: float | None
    journal: Journal | None = None

    def acknowledge(self, task: TaskHandle) -> None:
        """The outcome of a task was shown: the journal need not keep it for another command."""
        if self.journal is not None and task.key is not None and task.done():
            with suppress(LookupError):  # a task that was submitted without a journal
                self.journal.acknowledge(task.key)

    def fail(self, error: AltcraftError, task: TaskHandle, *, named: bool = False) -> int:
        """A poll of the task, or the wait for it, has failed."""
        is_unknown = isinstance(error, NotFound) and task.request is None
        leads_back = self.connection.outlives_the_command and not (isinstance(error, TaskFailed) or is_unknown)
        token = task.resume_token if leads_back else None
        return self._report(
            problem_of(error, resume_token=token, hint=self._hint(error)), subject_of(task.request), named
        )

    def fail_call(self, error: AltcraftError, subject: Subject | None, *, named: bool = False) -> int:
        """A plain operation has failed."""
        return self._report(problem_of(error, hint=self._hint(error)), subject, named)

    def fail_submission(self, error: Exception, subject: Subject | None, in_doubt: bool, *, named: bool = False) -> int:
        """A submission has failed. `in_doubt`: the platform may have started the task all the same."""
        hint = IN_DOUBT if in_doubt else self._hint(error)
        return self._report(problem_of(error, hint=hint), subject, named)

    def fail_interrupted(self, interrupted: Interrupted, task: TaskHandle, *, named: bool = False) -> int:
        """A signal has ended the command while it waited for the task."""
        resumable = self.connection.outlives_the_command
        problem = problem_of_interrupt(interrupted, task=task, resumable=resumable)
        return self._report(problem, subject_of(task.request), named)

    def fail_interrupted_submissions(
        self, interrupted: Interrupted, in_doubt: Sequence[object], not_sent: Sequence[object]
    ) -> None:
        """A signal has ended the command while requests were not answered, or not sent yet."""
        hints: list[str] = []
        if in_doubt:
            hints.append(f"{_names(in_doubt)} may or may not have been started")
        if not_sent:
            hints.append(f"{_names(not_sent)} has not been submitted")
        if hints:
            message = f"{interrupted.cause} while submitting"
            problem = Problem("Interrupted", message, interrupted.exit_code, hint="; ".join(hints))
            self._report(problem, None, named=False)

    def show(self, result: Result, *, named: bool = False) -> int:
        """Reports a result. One that can't be shown is a failure."""
        try:
            self.reporter.result(result)
        except Stopped as stopped:
            return self._report(stopped.problem, result.subject, named)
        return DONE

    def _report(self, problem: Problem, subject: Subject | None, named: bool) -> int:
        self.reporter.problem(problem, subject, named=named)
        return problem.exit_code

    def _hint(self, error: Exception) -> str | None:
        if not isinstance(error, Unauthorized):
            return None
        token = self.connection.token
        if token.value:
            return f"the token in {token.source} was refused"
        return (
            f"no token was sent: put the API token into the environment variable {TOKEN_VARIABLE}, "
            f"or the name of a file that holds it into {TOKEN_FILE_VARIABLE}"
        )


def _names(requests: Sequence[object]) -> str:
    """As in "the task of segment 7", or "each task of segment 7, segment 8"."""
    subjects = [subject_of(request) for request in requests]
    names = [subject.name for subject in subjects if subject is not None]
    which = f" of {', '.join(names)}" if names else ""
    return f"the task{which}" if len(requests) == 1 else f"each task{which}"
