"""Faults on request: the sandbox misbehaves as a plan says, so that users can test their code against it.

docs/how-to/testing-against-faults.md shows how to use a plan, and describes each fault.
"""

from altcraft_plugins.sandbox.faults.plan import (
    Drip,
    ErrorReply,
    Fault,
    FaultPlan,
    Hang,
    Latency,
    Malformed,
    Outage,
    PrettyPrinted,
    Reset,
    TaskFails,
    TaskGoesBack,
    TaskLag,
    TaskStalls,
    TaskVanishes,
    Truncated,
    WrongContentType,
)

__all__ = [
    "Drip",
    "ErrorReply",
    "Fault",
    "FaultPlan",
    "Hang",
    "Latency",
    "Malformed",
    "Outage",
    "PrettyPrinted",
    "Reset",
    "TaskFails",
    "TaskGoesBack",
    "TaskLag",
    "TaskStalls",
    "TaskVanishes",
    "Truncated",
    "WrongContentType",
]
