"""Sphinx builds the site from these pages: `nox -s docs`. The pages are Markdown and read well without it."""

from __future__ import annotations

import re
import ssl
from importlib.metadata import version as installed

from sphinx.application import Sphinx

from altcraft.wire import transport

# The annotations of settings name ssl, which the core does not import.
transport.ssl = ssl  # type: ignore[attr-defined]  # for autodoc alone

project = "altcraft-client"
author = "The altcraft-client authors"
copyright = author  # noqa: A001  # the name that Sphinx reads
version = release = installed("altcraft-client")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click", "sphinx_copybutton"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
exclude_patterns = ["examples"]

smartquotes = False  # they would make one dash of the two in --json
# Docstrings write code in single backquotes.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
# Every reference must be a link, except to what the standard library and other packages define.
nitpicky = True
nitpick_ignore = [  # seen in signatures, and not for users to make
    ("py:class", "HintBreaker"), ("py:class", "altcraft.tasks.hints.HintBreaker"),
    ("py:class", "altcraft_plugins.sandbox.server.Server"), ("py:class", "altcraft_plugins.sandbox.clock.Clock"),
    ("py:class", "altcraft_plugins.feedback.bodies.Readable"), ("py:class", "altcraft.rows.Requested"),
    ("py:class", "Reader"), ("py:class", "OnProgress"), ("py:class", "altcraft.engine.group.Waited"),
    ("py:class", "dict[str"), ("py:class", "TracerProvider"), ("py:class", "MeterProvider"),
]  # fmt: skip
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(collections|concurrent|contextlib|datetime|msgspec|os|pathlib|pluggy|sqlite3|ssl|types|typing)\b.*",
    ),
    (r"py:.*", r"_?pytest\b.*"),
    (r"py:.*", r"(.*\.)?(_?[A-Z]{1,2}|TaskT)"),  # type variables
]
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"altcraft-client {release}"
html_copy_source = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """Leaves out of signatures what tells only msgspec something."""
    app.connect("autodoc-process-signature", plain_signature)


def plain_signature(
    app: Sphinx, what: str, name: str, value: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """`Annotated[int, Meta(…)]` reads `int`."""
    return signature and _ANNOTATED.sub(r"\1", signature), returns


_ANNOTATED = re.compile(r"~?(?:\w+\.)*Annotated\[((?:[^\[\],]|\[[^\[\]]*\])+), ~?(?:\w+\.)*Meta\(.*?\)\]")
