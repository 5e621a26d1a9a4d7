"""The pictures of the explanations are what their script draws today."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"


def script(name="draw"):
    spec = importlib.util.spec_from_file_location(name, PICTURES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["task-machine.svg", "prediction.svg"])
def test_a_picture_is_up_to_date(name):
    drawn = script().PICTURES[name]()
    assert (PICTURES / name).read_text("utf-8") == drawn, "run: python docs/pictures/draw.py"


def test_the_diagram_shows_every_state_and_every_transition_of_the_table():
    drawing = script()
    svg = drawing.state_diagram()
    for state, event, after in drawing.transitions():
        assert f">{state}<" in svg
        assert f">{after}<" in svg
        assert event in svg
    assert len(set(drawing.transitions())) > 25


def test_the_picture_of_the_command_line_is_of_a_run_today():
    terminal = script("terminal")
    shown = re.sub(r"<[^>]*>", "", terminal.PICTURE.read_text("utf-8"))
    assert shown == re.sub(r"<[^>]*>", "", terminal.draw()), "run: python docs/pictures/terminal.py"
