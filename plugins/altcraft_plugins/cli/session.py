"""What the commands that talk to the platform have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from altcraft import AltcraftError, Client, Unauthorized
from altcraft_plugins.cli.connection import TOKEN_FILE_VARIABLE, TOKEN_VARIABLE, Connection
from altcraft_plugins.cli.exit_codes import DONE
from altcraft_plugins.cli.output.reporter import Reporter, Result
from altcraft_plugins.cli.problems import Problem, Stopped, problem_of, problem_of_interrupt, problem_of_submission
from altcraft_plugins.cli.signals import Interrupted

if TYPE_CHECKING:
    from altcraft import TaskHandle
    from altcraft_plugins.cli.subjects import Subject

__all__ = ["Session"]


class Session(Struct, frozen=True):
    """One command's client and reporter. `timeout` is how many seconds to wait for tasks; None: no limit.

    The `fail…` methods report what went wrong and return the exit code. `subject` is what the request was about.
    `named` says that the command is about several subjects, so that people are told which one it is.
    """

    client: Client
    reporter: Reporter
    connection: Connection
    timeout: float | None

    def fail(
        self,
        error: AltcraftError,
        subject: Subject | None = None,
        task: TaskHandle | None = None,
        *,
        named: bool = False,
    ) -> int:
        """An exchange, or the wait for `task`, has failed."""
        resumable = task is not None and self.connection.outlives_the_command
        token = task.resume_token if task is not None and resumable else None
        return self._report(problem_of(error, resume_token=token, hint=self._hint(error)), subject, named)

    def show(self, result: Result, *, named: bool = False) -> int:
        """Reports a result. One that can't be shown is a failure."""
        try:
            self.reporter.result(result)
        except Stopped as stopped:
            return self._report(stopped.problem, result.subject, named)
        return DONE

    def fail_submission(self, error: AltcraftError, subject: Subject | None = None, *, named: bool = False) -> int:
        """A submission has failed."""
        return self._report(problem_of_submission(error, hint=self._hint(error)), subject, named)

    def fail_interrupted(
        self,
        interrupted: Interrupted,
        subject: Subject | None = None,
        task: TaskHandle | None = None,
        *,
        named: bool = False,
    ) -> int:
        """A signal has ended the command while it waited for `task`."""
        resumable = self.connection.outlives_the_command
        return self._report(problem_of_interrupt(interrupted, task=task, resumable=resumable), subject, named)

    def fail_interrupted_submission(self, interrupted: Interrupted, in_doubt: int) -> int:
        """A signal has ended the command while so many submissions were not answered."""
        doubt = "the task" if in_doubt == 1 else f"{in_doubt} more tasks"
        hint = f"{doubt} may or may not have been started"
        problem = Problem("Interrupted", f"{interrupted.cause} while submitting", interrupted.exit_code, hint=hint)
        return self._report(problem, None, named=False)

    def _report(self, problem: Problem, subject: Subject | None, named: bool) -> int:
        self.reporter.problem(problem, subject, named=named)
        return problem.exit_code

    def _hint(self, error: AltcraftError) -> str | None:
        if not isinstance(error, Unauthorized):
            return None
        token = self.connection.token
        if token.value:
            return f"the token in {token.source} was refused"
        return (
            f"no token was sent: put the API token into the environment variable {TOKEN_VARIABLE}, "
            f"or the name of a file that holds it into {TOKEN_FILE_VARIABLE}"
        )
