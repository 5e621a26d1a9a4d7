"""The documentation is executed: every python block of README.md and docs/, page by page, in order.

The blocks of a page share their names, as if a reader typed them into one session. They run in an empty directory, with
ALTCRAFT_URL and ALTCRAFT_TOKEN set to the embedded sandbox. A traceback points at the line of the page.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
import os
import re
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FIRST = {ROOT / "README.md", ROOT / "docs/tutorial/getting-started.md", ROOT / "docs/reference/hooks.md"}
"""The examples of all other pages are among the slow tests: together they take half a minute."""
ENGINES = {
    ROOT / "docs/how-to/job-engines.md": "postgresql",
    ROOT / "docs/how-to/dagster.md": "engines",
    ROOT / "docs/how-to/prefect.md": "engines",
}
"""Pages on job engines, which have sessions of their own in noxfile.py: tests/engines runs them."""
AIRFLOW = ROOT / "docs/how-to/airflow.md"
"""The session `airflow` runs it, by the tests of plugins/airflow-provider-altcraft."""


class Block(NamedTuple):
    """A fenced code block: language, text, the line of the page on which the text begins, and what it must print.

    A block after `<!-- printed -->` is what the block before it prints.
    """

    language: str
    text: str
    line: int
    prints: str | None = None


def blocks(markdown: str) -> Iterator[Block]:
    """The fenced code blocks of a page, indented ones (in lists) included."""
    fence = language = indent = ""
    collected: list[str] = []
    start = 0
    for number, line in enumerate(markdown.splitlines(), start=1):
        opening = re.match(r"^( *)(`{3,}|~{3,})\s*([\w+-]*)", line)
        if not fence and opening:
            indent, fence, language = opening.groups()
            collected, start = [], number + 1
        elif fence and line.strip() == fence:
            yield Block(language, "\n".join(collected) + "\n", start)
            fence = ""
        elif fence:
            collected.append(line.removeprefix(indent))
    assert not fence, f"the code block that begins on line {start} is never closed"


def python_blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    lines, found = text.splitlines(), []
    for block in blocks(text):
        if block.language in {"python", "py"}:
            found.append(block)
        elif lines[block.line - 3].strip() == "<!-- printed -->":
            found[-1] = found[-1]._replace(prints=block.text)
    return found


class Loop:
    """The event loop of a page, as a notebook has one."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> Loop:
        return self

    def run(self, coroutine: Coroutine[object, object, object]) -> None:
        """Runs a block, in the loop of the blocks before."""
        self._loop = self._loop or asyncio.new_event_loop()
        self._loop.run_until_complete(coroutine)

    def __exit__(self, *_: object) -> None:
        if self._loop is not None:
            self._loop.close()


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page_name(page), marks=() if page in FIRST else pytest.mark.slow)
        for page in PAGES
        if page not in {*ENGINES, AIRFLOW} and python_blocks(page)
    ],
)
def test_the_examples_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALTCRAFT_URL", "sandbox:?pace=0")
    monkeypatch.setenv("ALTCRAFT_TOKEN", "sandbox")
    session: dict[str, object] = {"__name__": "__main__"}
    with Loop() as loop:
        for block in python_blocks(page):
            # Blank lines in front give the traceback the page's own line numbers.
            text = "\n" * (block.line - 1) + block.text
            code = compile(text, os.fspath(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            capsys.readouterr()
            ended = eval(code, session)
            if inspect.iscoroutine(ended):  # a block for a notebook, with await at its top
                loop.run(ended)
            if block.prints is not None:
                assert capsys.readouterr().out == block.prints, f"what the block of line {block.line} prints"
    # What a page leaves open fails this test, and not the one that runs when the garbage is collected next.
    session.clear()
    gc.collect()


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^( *)(```|~~~).*?^ *\2$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), f"{target}: no such file"
        if anchor:
            assert anchor in anchors(linked.read_text("utf-8")), f"{target}: no such heading"


def anchors(markdown: str) -> set[str]:
    """The anchors of a page's headings, as the usual renderers make them."""
    headings = re.findall(r"^#+ +(.+?) *$", markdown, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("marker", ["demo", "test"])
def test_a_command_of_the_readme_is_a_single_line(marker: str) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    _, found, rest = readme.partition(f"<!-- ci: {marker} -->\n")
    assert found
    command = next(blocks(rest.partition("\n\n")[0]))
    assert command.language == "sh"
    assert command.text.count("\n") == 1
    assert not command.text.rstrip().endswith("\\")


def test_blocks_are_found_with_their_lines_indentation_and_language() -> None:
    page = "text\n```python\na = 1\n```\n1. item\n   ~~~sh\n   ls\n   ```\n   ~~~\n"
    assert list(blocks(page)) == [Block("python", "a = 1\n", 3), Block("sh", "ls\n```\n", 7)]


def test_a_failing_example_is_reported_with_the_line_of_its_page() -> None:
    (block,) = blocks("one\ntwo\n```python\nraise LookupError\n```\n")
    code = compile("\n" * (block.line - 1) + block.text, "page.md", "exec")
    with pytest.raises(LookupError) as caught:
        exec(code, {})
    assert caught.traceback[-1].lineno + 1 == 4
