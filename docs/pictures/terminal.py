"""Takes the README's picture of the command line from a real run: `python docs/pictures/terminal.py`.

The sandbox counts a fixed population, so only times differ from run to run. The picture shows a fixed time in their
place, and a test takes the picture again and compares.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

PICTURE = Path(__file__).resolve().parent / "terminal.svg"
COLUMNS = 84
COMMAND = ["databases", "refresh", "5", "--resource", "24"]
THEME = TerminalTheme(
    (18, 22, 28),
    (230, 237, 243),
    [
        (72, 79, 88),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
)


def output() -> str:
    """What the command prints on a terminal with colours, its times replaced."""
    environment = {**os.environ, "ALTCRAFT_URL": "sandbox:?pace=0", "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS)}
    ran = subprocess.run(
        [sys.executable, "-m", "altcraft_plugins.cli", *COMMAND], env=environment, check=True, capture_output=True
    )
    printed = ran.stdout.decode("utf-8")
    printed = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-11-30 09:00:00", printed)
    return re.sub(r"in [\d.]+ m?s", "in 4.91 ms", printed)


def draw() -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(f"[bold]$[/bold] altcraft {' '.join(COMMAND)}", highlight=False)
    console.print(Text.from_ansi(output().rstrip()))
    drawn = console.export_svg(title="altcraft", theme=THEME, unique_id="terminal")
    # Without the fonts that it would fetch from a network, the reader's own monospaced one is used.
    return re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL)


if __name__ == "__main__":
    PICTURE.write_text(draw(), "utf-8")
