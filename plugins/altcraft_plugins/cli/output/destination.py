"""Where the results go: stdout, or with `--output` a file."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import suppress
from typing import TextIO

from altcraft_plugins.cli.stopping import Misuse

__all__ = ["Destination"]


class Destination:
    """A stream for results. `path` None or "-" is stdout.

    A file is written under another name, and renamed when the command ends, so that no reader sees half of it. Without
    any result, the file stays as it was. A path that is no regular file, such as a pipe, is written directly.
    Raises Misuse where the file cannot be made.
    """

    def __init__(self, path: str | None, *, option: str = "--output") -> None:
        self.is_stdout = path in (None, "-")
        self._stream: TextIO | None = None
        self._temporary: str | None = None
        self._path = ""
        if path is None or self.is_stdout:
            return
        try:
            self._open(path)
        except OSError as error:
            raise Misuse(f"{option}: {path} cannot be written: {error.strerror}") from None

    @property
    def stream(self) -> TextIO:
        """The stream. It is looked up each time, since stdout may be replaced while a progress bar is shown."""
        return self._stream or sys.stdout

    def write(self, text: str) -> None:
        """Writes, and flushes."""
        try:
            self.stream.write(text)
            self.stream.flush()
        except OSError:
            self._discard()
            raise

    def finish(self) -> None:
        """Gives the file its name, or removes it where nothing was written."""
        if self._stream is None:
            return
        try:
            if self._temporary is not None and self._stream.tell():
                os.fsync(self._stream.fileno())
                self._stream.close()
                os.replace(self._temporary, self._path)
                self._temporary = None
        finally:
            self._discard()

    def _discard(self) -> None:
        stream, self._stream = self._stream, None
        temporary, self._temporary = self._temporary, None
        if stream is not None:
            with suppress(OSError):
                stream.close()
        if temporary is not None:
            with suppress(FileNotFoundError):
                os.unlink(temporary)

    def _open(self, path: str) -> None:
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            umask = os.umask(0)
            os.umask(umask)
            mode = stat.S_IFREG | (0o666 & ~umask)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(0, "it is a directory")
        if not stat.S_ISREG(mode):
            self._stream = open(path, "w", encoding="utf-8", newline="")  # noqa: SIM115  # finish() closes it
            return
        self._path = os.path.realpath(path)  # a link stays a link
        folder, name = os.path.split(self._path)
        descriptor, self._temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder)
        self._stream = open(descriptor, "w", encoding="utf-8", newline="", errors="backslashreplace")  # noqa: SIM115
        with suppress(OSError):
            os.chmod(self._temporary, stat.S_IMODE(mode))
