"""On a terminal there is a progress bar; anywhere else there is silence."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from altcraft import HttpResponse
from plugins.cli.platform import serving
from plugins.cli.running import COMMAND, DATABASE, FAILED, REFRESH, RUNNING, STARTED, completed, environment

pty = pytest.importorskip("pty", reason="no pseudo-terminals here")

ARGS = ("databases", "refresh", "5", "--resource", "24")
STYLE = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(*args: str, columns: int = 80, stdout: int | None = None, **env: str) -> tuple[int, str]:
    """Runs a command on a terminal of its own (but for stdout, if given); exit code and all that it wrote there."""
    import fcntl
    import struct
    import termios

    screen, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    running = subprocess.Popen(
        [*COMMAND, *args],
        stdin=inner,
        stdout=inner if stdout is None else stdout,
        stderr=inner,
        env=environment(**{"TERM": "xterm-256color", **env}),
    )
    os.close(inner)
    written = b""
    while True:
        try:
            chunk = os.read(screen, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(screen)
    return running.wait(30), written.decode()


def visible(written: str) -> list[str]:
    """What stood on some line at some time."""
    return [CONTROL.sub("", line) for line in re.split(r"[\r\n]+", written)]


@pytest.mark.parametrize(
    ("columns", "encoding"),
    [
        (60, "utf-8"),
        pytest.param(80, "utf-8", marks=pytest.mark.slow),
        pytest.param(60, "ascii", marks=pytest.mark.slow),
        pytest.param(120, "ascii", marks=pytest.mark.slow),
    ],
)
def test_a_bar_shows_status_and_progress_and_stays_within_the_width(columns: int, encoding: str) -> None:
    with serving(STARTED, RUNNING, completed(DATABASE)) as platform:
        code, written = on_a_terminal(*ARGS, columns=columns, ALTCRAFT_URL=platform.url, PYTHONIOENCODING=encoding)
    assert code == 0
    lines = visible(written)
    assert any("database 5" in line and "40%" in line and "running" in line for line in lines)
    assert any("100%" in line and "completed" in line for line in lines)
    assert any(line.startswith("email") for line in lines)
    assert max(map(len, lines)) <= columns
    assert written.isascii() == (encoding == "ascii")
    assert "\\u" not in written


@pytest.mark.slow
def test_a_task_without_progress_has_a_bar_too() -> None:
    from altcraft.testing import reply

    with serving(STARTED, reply({"status": "queued"}), completed(DATABASE)) as platform:
        code, written = on_a_terminal(*ARGS, ALTCRAFT_URL=platform.url)
    assert code == 0
    assert any("queued" in line and "%" not in line for line in visible(written))


@pytest.mark.slow
def test_several_tasks_have_a_bar_each_until_they_are_done() -> None:
    left = [completed(DATABASE), RUNNING, RUNNING]

    def answer(body: bytes) -> HttpResponse:
        return completed(DATABASE) if b'"bee"' in body else left.pop()

    with serving(answer) as platform:
        code, written = on_a_terminal("tasks", "wait", "ant", "bee", ALTCRAFT_URL=platform.url)
    assert code == 0
    lines = visible(written)
    assert any("task ant" in line and "40%" in line and "running" in line for line in lines)
    assert any("task bee" in line and "100%" in line for line in lines)
    assert [line for line in lines if line in ("task ant:", "task bee:")] == ["task bee:", "task ant:"]
    after = written[written.rindex("task bee:") :]
    assert any("task ant" in line and "40%" in line for line in visible(after))


@pytest.mark.slow
def test_more_tasks_than_there_are_lines_on_the_screen_are_waited_for_all_the_same() -> None:
    names = [f"t{number}" for number in range(60)]
    left = [completed(DATABASE)] * 60 + [RUNNING] * 60
    with serving(lambda body: left.pop()) as platform:
        code, written = on_a_terminal("tasks", "wait", *names, ALTCRAFT_URL=platform.url)
    assert code == 0
    assert sum(line.endswith(":") and line.startswith("task t") for line in visible(written)) == 60


@pytest.mark.slow
def test_an_error_stands_below_the_bar_on_a_line_of_its_own() -> None:
    with serving(STARTED, FAILED) as platform:
        code, written = on_a_terminal(*REFRESH, ALTCRAFT_URL=platform.url)
    assert code == 1
    assert any(line.startswith("altcraft: ") for line in visible(written))


@pytest.mark.slow
def test_no_color_means_no_style() -> None:
    with serving(STARTED, completed(DATABASE)) as platform:
        assert STYLE.search(on_a_terminal(*ARGS, ALTCRAFT_URL=platform.url)[1])
        platform.script[:] = [STARTED, completed(DATABASE)]
        assert not STYLE.search(on_a_terminal(*ARGS, ALTCRAFT_URL=platform.url, NO_COLOR="1")[1])


@pytest.mark.slow
def test_there_is_no_bar_when_stdout_is_no_terminal() -> None:
    with serving(STARTED, completed(DATABASE)) as platform:
        code, written = on_a_terminal(*ARGS, ALTCRAFT_URL=platform.url, stdout=subprocess.DEVNULL)
    assert (code, written) == (0, "")


@pytest.mark.slow
def test_there_is_no_bar_on_a_dumb_terminal() -> None:
    with serving(STARTED, completed(DATABASE)) as platform:
        _, written = on_a_terminal(*ARGS, ALTCRAFT_URL=platform.url, TERM="dumb")
    assert "\x1b" not in written
    assert "100%" not in written


@pytest.mark.slow
def test_json_lines_stay_alone_on_a_terminal() -> None:
    with serving(STARTED, completed(DATABASE)) as platform:
        _, written = on_a_terminal(*ARGS, "--json", ALTCRAFT_URL=platform.url)
    assert [line[:9] for line in written.splitlines()] == ['{"event":'] * 3


@pytest.mark.slow
def test_no_wait_says_on_a_terminal_how_to_go_on() -> None:
    with serving(STARTED) as platform:
        _, written = on_a_terminal(*ARGS, "--no-wait", ALTCRAFT_URL=platform.url)
    assert "wait for it with: altcraft tasks wait at2_" in written
