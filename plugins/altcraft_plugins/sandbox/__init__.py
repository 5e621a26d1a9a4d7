"""The sandbox: a small Altcraft platform on sqlite3, for demonstrations, tests and first steps.

`Sandbox` is a WSGI application; `create_app` makes one with default settings. See docs/sandbox.md.
"""

from altcraft_plugins.sandbox.app import Sandbox, create_app

__all__ = ["Sandbox", "create_app"]
