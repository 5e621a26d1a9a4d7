"""One run of the program: what its shared options and the environment say, and the objects made from that."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import click

from altcraft_plugins.cli.options import CONNECTION, POLLS, SharedOption
from altcraft_plugins.cli.stopping import Misuse, Stopped

if TYPE_CHECKING:
    from pathlib import Path

    from altcraft import Client, Plugin, Polling, Retry
    from altcraft_plugins.cli.connection import Connect, Connection, Token
    from altcraft_plugins.cli.output.reporter import Reporter
    from altcraft_plugins.cli.session import Session
    from altcraft_plugins.cli.settings import Settings
    from altcraft_plugins.history import History
    from altcraft_plugins.journal import Journal
    from altcraft_plugins.plan import Plan

__all__ = ["Invocation"]

DAY: Final = 86_400.0
"""Seconds."""


class Invocation:
    """One run of the program. `connect` makes the clients; None stands for `make_client`.

    Its methods import what they need, so that `--help` and `--version` start quickly.
    """

    def __init__(self, connect: Connect | None = None) -> None:
        self.connect = connect
        self._typed: dict[SharedOption, object] = {}
        self._values: dict[str, object] = {}
        self._reporter: Reporter | None = None

    def note(self, option: SharedOption, value: object) -> None:
        """Keeps what was typed. Of several values of one option, the one furthest to the right counts."""
        self._typed[option] = value

    def begin(self, ctx: click.Context) -> None:
        """Settles the values for the command of `ctx`. UsageError for an option that the command does not take."""
        taken = [param for param in ctx.command.params if isinstance(param, SharedOption)]
        for option in self._typed:
            if option not in taken:
                raise click.UsageError(f"{option.opts[0]} does not apply to `{ctx.command_path}`.", ctx)
        values = {
            str(option.name): self._typed[option] if option in self._typed else option.from_environment(ctx)
            for option in taken
        }
        self._values = {name: value for name, value in values.items() if value is not None}
        if self.settings.json and self.settings.csv:
            raise click.UsageError("Give one of --json and --csv.", ctx)
        if self.settings.bom and not self.settings.csv:
            raise click.UsageError("--bom needs --csv.", ctx)

    @property
    def settings(self) -> Settings:
        """The values that are settled."""
        from altcraft_plugins.cli.settings import settings_of

        return settings_of(self._values)

    @property
    def reporter(self) -> Reporter:
        """Reports to people or, with --json, to machines. Made at the first use."""
        if self._reporter is None:
            self._reporter = self._make_reporter()
        return self._reporter

    def finish(self) -> None:
        """Writes what the reporter still holds. Raises the stream's OSError."""
        if self._reporter is not None:
            self._reporter.finish()

    def session(self) -> AbstractContextManager[Session]:
        """The command's client, and what goes with it, while the block lasts."""
        _ = self.reporter  # opens the output file, so that a bad path ends the command before it submits
        return self._open(self._connection())

    def sandbox(self, codec: str, polling: Polling) -> AbstractContextManager[Session]:
        """The same for an embedded sandbox, which needs no setting."""
        from altcraft_plugins.cli.connection import Connection, Token

        return self._open(Connection(url="sandbox:", token=Token("", ""), codec=codec, polling=polling))

    @contextmanager
    def plugins(self) -> Iterator[Sequence[Plugin]]:
        """The plugins of --plugin and of all installed distributions. Sends nothing."""
        from altcraft_plugins.cli.connection import Connection, Token, open_client

        nowhere = "https://plugins.invalid"
        connection = Connection(url=nowhere, token=Token("", ""), plugins=self.settings.plugins, entry_points=True)
        with open_client(self.connect, connection) as client:
            yield client.plugins()

    @contextmanager
    def client(self, connection: Connection) -> Iterator[Client]:
        """A client, while the block lasts."""
        from altcraft_plugins.cli.connection import open_client

        with ExitStack() as stack:
            with self._reported_warnings():
                client = stack.enter_context(open_client(self.connect, connection))
            if self.settings.verbose:
                from altcraft_plugins.cli.verbose import shown_events

                stack.enter_context(shown_events(client, self.reporter, self.settings.verbose))
            yield client

    def planned_connection(self, name: str | None, plan: Plan) -> Connection:
        """A connection of a plan, with the command's settings for all that the plan does not say.

        `name` None stands for the command's own. Misuse for a token that is not there.
        """
        from msgspec.structs import replace

        from altcraft_plugins.cli.connection import Token, token_in

        if name is None:
            return self._connection()
        planned = plan.connections[name]
        given = {"codec": planned.codec, "auth": planned.auth}
        return replace(
            self._connected(planned.url, token_in(planned.token_env) if planned.token_env else Token("", "")),
            **{key: value for key, value in given.items() if value is not None},
        )

    @contextmanager
    def _open(self, connection: Connection) -> Iterator[Session]:
        from altcraft_plugins.cli.session import Session

        with ExitStack() as stack:
            journal = None
            if connection.journal is not None:
                journal = stack.enter_context(self.opened_journal(connection.journal))
            history = None if self.settings.history is None else stack.enter_context(self.history())
            client = stack.enter_context(self.client(connection))
            if journal is not None:
                client.hooks.register(journal)
            if history is not None:
                client.hooks.register(history)
            yield Session(client, self.reporter, connection, self.settings.timeout, journal)

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        """The journal alone, for a command that sends nothing. UsageError if none is configured."""
        if self.settings.journal is None:
            raise click.UsageError("Give --journal FILE, or set ALTCRAFT_JOURNAL.", click.get_current_context())
        with self.opened_journal(self.settings.journal) as journal:
            yield journal

    def opened_journal(self, path: str | Path) -> Journal:
        """A journal that the caller closes. Stopped where its file can't be used."""
        from altcraft_plugins.cli.problems import problem_of
        from altcraft_plugins.journal import Journal, JournalError

        try:
            return Journal(path)
        except JournalError as error:
            raise Stopped(problem_of(error)) from None

    @contextmanager
    def history(self, otherwise: Path | None = None, *, is_made: bool = True) -> Iterator[History]:
        """The history of --history, or `otherwise`. UsageError without one, Stopped where its file can't be used.

        Misuse where there is no such file, unless it `is_made` by the command.
        """
        from altcraft_plugins.cli.problems import problem_of
        from altcraft_plugins.history import History, HistoryError

        settings = self.settings
        path = settings.history or otherwise
        if path is None:
            raise click.UsageError("Give --history FILE, or set ALTCRAFT_HISTORY.", click.get_current_context())
        if not is_made and not os.path.exists(path):
            raise Misuse(f"There is no history {path}. A refresh, or a run of a plan, with --history keeps one.")
        keep_days = None if settings.history_keep is None else settings.history_keep / DAY
        try:
            with History(path, keep_days=keep_days) as history:
                yield history
        except HistoryError as error:
            raise Stopped(problem_of(error)) from None

    @contextmanager
    def _reported_warnings(self) -> Iterator[None]:
        """Reports the library's warnings as lines of the command; others are shown as Python shows them."""
        from altcraft.errors import AltcraftWarning

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AltcraftWarning)
            yield
        for warning in caught:
            if issubclass(warning.category, AltcraftWarning):
                self.reporter.warning(str(warning.message))
            else:
                warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)

    def _connection(self) -> Connection:
        from altcraft_plugins.cli.connection import read_token

        settings = self.settings
        if not settings.url:
            raise click.UsageError(
                "No URL of an installation: give --url https://your.host or set ALTCRAFT_URL; "
                "--url sandbox: tries it without one.",
                click.get_current_context(),
            )
        return self._connected(settings.url, read_token())

    def _connected(self, url: str, token: Token) -> Connection:
        from msgspec.structs import replace

        from altcraft_plugins.cli.connection import Connection

        given = {name: value for name, value in self._values.items() if name in Connection.__struct_fields__}
        connection = Connection(url=url, token=token, polling=self._polling(), retry=self._retry())
        return replace(connection, **{**given, "url": url})

    def _polling(self) -> Polling | None:
        from altcraft import Polling

        changes = self._with_prefix("poll_")
        try:
            return Polling().replace(**changes) if changes else None
        except ValueError as error:
            raise Misuse(str(error)) from None

    def _retry(self) -> Retry | None:
        from altcraft import Retry

        changes = self._with_prefix("retry_")
        retries = self._values.get("retries")
        if isinstance(retries, int):
            changes["attempts"] = retries + 1
        try:
            return Retry().replace(**changes) if changes else None
        except ValueError as error:
            raise Misuse(str(error)) from None

    def _with_prefix(self, prefix: str) -> dict[str, object]:
        return {name.removeprefix(prefix): value for name, value in self._values.items() if name.startswith(prefix)}

    def _make_reporter(self) -> Reporter:
        from altcraft_plugins.cli.output.destination import Destination

        settings = self.settings
        destination = Destination(settings.output)
        if settings.json:
            from altcraft_plugins.cli.output.jsonlines import JsonReporter

            return JsonReporter(destination)
        from altcraft_plugins.cli.output.human import HumanReporter

        return HumanReporter(destination, self._go_on, csv=settings.csv, bom=settings.bom)

    def _go_on(self, resume_token: str) -> str:
        """The command that waits for a task of this one, with the options that lead to the same installation."""
        return self.command("tasks", "wait", resume_token, repeated=CONNECTION + POLLS)

    def command(self, *words: str, repeated: Sequence[SharedOption]) -> str:
        """A command line of those words, with those options among `repeated` that were typed."""
        options = [word for option, value in self._typed.items() if option in repeated
                   for word in option.arguments(value)]  # fmt: skip
        return shlex.join(["altcraft", *words[:-1], *options, words[-1]])

    def typed(self, name: str) -> bool:
        """Whether the option of that name was typed."""
        return any(option.name == name for option in self._typed)
