"""Draws the pictures of the explanations: `python docs/pictures/draw.py`. A test draws them again and compares.

The state diagram comes from the table in task-machine.md, which a test holds against the machine itself. The picture of
the prediction comes from the schedule of `Polling`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path

from altcraft import Polling
from altcraft.tasks.polling import History

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "explanation" / "task-machine.md"

STYLE = """<style>
  text { font: 14px system-ui, sans-serif; fill: #1f2328 }
  .state { font-weight: 600 } .small { font-size: 12px; fill: #59636e }
  .paper { fill: #ffffff; stroke: #d1d9e0 } .box { fill: #eef4fc; stroke: #4a76a8; stroke-width: 1.5 }
  .edge, .curve { fill: none; stroke: #59636e; stroke-width: 1.3 } .curve { stroke: #4a76a8; stroke-width: 2 }
  .poll { stroke: #1f2328; stroke-width: 2 } .end { stroke: #b35900; stroke-width: 1.5; stroke-dasharray: 4 3 }
  .halo { paint-order: stroke; stroke: #ffffff; stroke-width: 5px; stroke-linejoin: round }
  marker path { fill: #59636e }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9aa4ae } .paper { fill: #12161c; stroke: #3d444d }
    .box { fill: #1c2b3d; stroke: #7aa7dc } .edge { stroke: #9aa4ae } .curve { stroke: #7aa7dc }
    .poll { stroke: #e6edf3 } .end { stroke: #f0a35e } .halo { stroke: #12161c } marker path { fill: #9aa4ae }
  }
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
  <path d="M0 0 8 4 0 8z"/></marker></defs>"""


def picture(title: str, width: int, height: int, parts: list[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{title}">\n<title>{title}</title>\n{STYLE}\n'
        f'<rect class="paper" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>\n{body}\n</svg>\n'
    )


def words(kind: str, x: float, y: float, text: str) -> str:
    """A line of text, centred."""
    return f'<text class="{kind}" text-anchor="middle" x="{x:.0f}" y="{y:.0f}">{text}</text>'


# ------------------------------------------------------------------------------------------- the states

CENTRES = {
    "IDLE": (130, 300),
    "SENDING": (430, 300),
    "SLEEPING": (430, 120),
    "BACKING_OFF": (430, 480),
    "DONE": (730, 300),
}
BEND = 30
"""How far an arrow bends to its left, in pixels, so that the arrows of the two directions lie apart."""

BENDS = {
    ("IDLE", "DONE"): 480,
    **{(one, other): 80 for one, other in itertools.permutations(CENTRES, 2) if CENTRES[one][0] == CENTRES[other][0]},
}
"""The arrows that bend more, to leave room for other boxes and for their words."""

WIDTH, HEIGHT = 200, 76


def transitions() -> Iterator[tuple[str, str, str]]:
    """State, event and next state of every row of the page's table of task transitions."""
    section = PAGE.read_text("utf-8").partition("## Transitions of `TaskMachine`")[2].partition("\n## ")[0]
    for row in re.findall(r"^\| ([A-Z_]+) \| ([\w, ]+) \|.*\| ([A-Z_]+) \|$", section, flags=re.M):
        state, events, after = row
        for event in events.split(", "):
            yield state, event, after


def border(centre: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """The point at which a line from a state's centre leaves its box."""
    dx, dy = towards[0] - centre[0], towards[1] - centre[1]
    scale = min((WIDTH / 2 + 3) / abs(dx) if dx else math.inf, (HEIGHT / 2 + 3) / abs(dy) if dy else math.inf)
    return centre[0] + dx * scale, centre[1] + dy * scale


def arrow(start: str, end: str, events: list[str]) -> list[str]:
    (x1, y1), (x2, y2) = CENTRES[start], CENTRES[end]
    length = math.hypot(x2 - x1, y2 - y1)
    bend = BENDS.get((start, end), BEND)
    control = (x1 + x2) / 2 + bend * (y2 - y1) / length, (y1 + y2) / 2 - bend * (x2 - x1) / length
    (ax, ay), (bx, by) = border((x1, y1), control), border((x2, y2), control)
    label_x, label_y = (ax + bx) / 4 + control[0] / 2, (ay + by) / 4 + control[1] / 2
    on_the_arrow = (len(events) - 1) // 2
    lines = [
        words("small halo", label_x, label_y + 4 + 15 * (number - on_the_arrow), event)
        for number, event in enumerate(events)
    ]
    path = f"M{ax:.0f} {ay:.0f}Q{control[0]:.0f} {control[1]:.0f} {bx:.0f} {by:.0f}"
    return [f'<path class="edge" marker-end="url(#tip)" d="{path}"/>', *lines]


def state_diagram() -> str:
    edges: dict[tuple[str, str], list[str]] = {}
    for state, event, after in transitions():
        known = edges.setdefault((state, after), [])
        if event not in known:
            known.append(event)
    parts = []
    for (start, end), events in edges.items():
        if start != end:
            parts += arrow(start, end, events)
    for name, (x, y) in CENTRES.items():
        stays = edges.get((name, name), [])
        lines = [", ".join(stays[at : at + 2]) for at in range(0, len(stays), 2)]
        if name == "DONE":
            lines = ["stays so, on every event"]
        elif lines:
            lines[0] = f"stays on {lines[0]}"
        parts += [
            f'<rect class="box" x="{x - WIDTH / 2}" y="{y - HEIGHT / 2}" width="{WIDTH}" height="{HEIGHT}" rx="10"/>',
            words("state", x, y - 8, name),
            *(words("small", x, y + 11 + 15 * number, line) for number, line in enumerate(lines)),
        ]
    return picture("The states of a task machine, and the events that lead from one to another", 860, 560, parts)


# ------------------------------------------------------------------------------------------- the prediction

DURATION = 100.0
LEFT, RIGHT, TOP, BOTTOM = 150, 830, 40, 200


def progress(at: float) -> int:
    """A task that reports whole per cent."""
    return int(at / DURATION * 100)


def polls(polling: Polling) -> list[float]:
    """The times at which the client would poll such a task; the last one finds its end."""
    now, times, history = 0.0, [], History.begin(0.0, True, "930bfdb0")
    while now < DURATION:
        times.append(now)
        history = history.observed(now, "running", progress(now))
        now += polling.next_delay(history)
    return [*times, now]


def across(at: float) -> float:
    return LEFT + (RIGHT - LEFT) * at / 120


def prediction() -> str:
    ends = across(DURATION)
    parts = [
        f'<path class="curve" d="M{LEFT} {BOTTOM}L{ends:.1f} {TOP}"/>',
        f'<path class="edge" d="M{LEFT} {TOP - 10}V{BOTTOM}H{RIGHT}"/>',
        f'<text text-anchor="end" x="{LEFT - 10}" y="{TOP + 5}">100 %</text>',
        f'<text text-anchor="end" x="{LEFT - 10}" y="{BOTTOM}">progress 0 %</text>',
        f'<path class="end" d="M{ends:.1f} {TOP - 20}V{BOTTOM + 130}"/>',
        f'<text class="small" text-anchor="end" x="{ends - 8:.0f}" y="{TOP - 10}">the task ends</text>',
    ]
    rows = [("predicted", Polling(jitter=False)), ("not predicted", Polling(jitter=False, predict=False))]
    for number, (name, polling) in enumerate(rows):
        y = BOTTOM + 45 + 55 * number
        times = polls(polling)
        marks = " ".join(f"M{across(at):.1f} {y - 10}v20" for at in times)
        found = f"{len(times)} polls; the end is found {times[-1] - DURATION:.1f} s late"
        parts += [
            f'<text text-anchor="end" x="{LEFT - 10}" y="{y + 5}">{name}</text>',
            f'<path class="poll" d="{marks}"/>',
            f'<text class="small" x="{LEFT}" y="{y + 28}">{found}</text>',
        ]
    parts += [
        f'<text class="small" text-anchor="middle" x="{across(at):.0f}" y="{BOTTOM + 18}">{at:g} s</text>'
        for at in (0.0, 25.0, 50.0, 75.0)
    ]
    return picture(
        "When a task that reports its progress in whole per cent is polled, with and without prediction",
        860,
        350,
        parts,
    )


PICTURES = {"task-machine.svg": state_diagram, "prediction.svg": prediction}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (HERE / name).write_text(draw(), "utf-8")
