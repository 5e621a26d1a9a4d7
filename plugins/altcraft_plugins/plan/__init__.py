"""A plan: the recounts of one run, named by the user, in a TOML file. Pure: it reads, checks and expands.

Page: docs/reference/plan.md.
"""

from altcraft_plugins.plan.example import EXAMPLE
from altcraft_plugins.plan.plan import Limits, Mistake, Plan, PlanConnection, PlanError, Recount
from altcraft_plugins.plan.reading import parse_plan, read_plan

__all__ = ["EXAMPLE", "Limits", "Mistake", "Plan", "PlanConnection", "PlanError", "Recount", "parse_plan", "read_plan"]
