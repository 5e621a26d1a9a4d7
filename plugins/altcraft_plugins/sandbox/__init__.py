"""The sandbox: a small Altcraft platform on sqlite3, for demonstrations, tests and first steps.

`Sandbox` is a WSGI application, `serve` puts it on a socket, and a `FaultPlan` makes it misbehave. A plugin teaches it
further methods with a `MethodRegistry`. See docs/reference/sandbox.md and docs/how-to/testing-against-faults.md.
"""

from altcraft_plugins.sandbox.app import Sandbox, create_app
from altcraft_plugins.sandbox.faults import FaultPlan
from altcraft_plugins.sandbox.refusal import Refusal
from altcraft_plugins.sandbox.schema.requests import Parameters
from altcraft_plugins.sandbox.server import SandboxServer, serve
from altcraft_plugins.sandbox.tasks.table import Submission
from altcraft_plugins.sandbox.taught import File, MethodRegistry, Platform

__all__ = [
    "FaultPlan",
    "File",
    "MethodRegistry",
    "Parameters",
    "Platform",
    "Refusal",
    "Sandbox",
    "SandboxServer",
    "Submission",
    "create_app",
    "serve",
]
