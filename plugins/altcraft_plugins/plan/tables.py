"""The tables of a plan's file, as msgspec checks them. Their fields are the keys that there are."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

__all__ = ["ConnectionTable", "Defaults", "Ids", "LimitsTable", "PlanTable", "RecountTable", "SectionTable"]

Id: TypeAlias = Annotated[int, Meta(ge=1)]
Ids: TypeAlias = int | str | list[int | str]
"""One id, a range such as "20-25", or a list of both."""


class Defaults(Struct, frozen=True, kw_only=True):
    """What a recount takes from its section, and that from the plan, where it does not say it itself."""

    connection: str | None = None
    resource: Id | None = None
    database: Id | None = None
    alert_drop: Annotated[float, Meta(gt=0, le=100)] | None = None


class RecountTable(Defaults, frozen=True, kw_only=True):
    """A [[section.recount]]. Exactly one of `segments`, `databases` and `resources` is given."""

    name: str
    segments: Ids | None = None
    databases: Ids | None = None
    resources: Ids | None = None


class SectionTable(Defaults, frozen=True, kw_only=True):
    """A [[section]]. Its recounts are read one by one."""

    name: str
    recount: list[object]


class ConnectionTable(Struct, frozen=True, kw_only=True):
    """A [connections.NAME]."""

    url: str
    token_env: str | None = None
    codec: str | None = None
    auth: Literal["body", "bearer"] | None = None
    listen: str | None = None
    public_url: str | None = None


class LimitsTable(Struct, frozen=True, kw_only=True):
    """[limits]."""

    max_submissions: Annotated[int, Meta(ge=1, le=100)] = 1
    max_in_flight: Annotated[int, Meta(ge=1, le=1000)] = 16
    max_polls_per_second: Annotated[float, Meta(gt=0)] | None = None


class PlanTable(Struct, frozen=True, kw_only=True):
    """The file. Its tables are read one by one."""

    name: str | None = None
    journal: str | None = None
    history: str | None = None
    report: str | None = None
    in_doubt: Literal["list", "submit again"] = "list"
    limits: dict[str, object] = {}
    defaults: dict[str, object] = {}
    connections: dict[str, object] = {}
    section: list[object]
