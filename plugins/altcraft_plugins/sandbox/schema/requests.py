"""What the sandbox reads: the parameters of the methods. Their types are checked strictly; unknown ones are ignored."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct, json, structs

from altcraft_plugins.sandbox.refusal import Refusal

__all__ = [
    "CountDatabase",
    "CountResource",
    "CountSegment",
    "Feedback",
    "FormatOnly",
    "Parameters",
    "Status",
    "TokenOnly",
]

FEEDBACK_TYPES: Final = ("JSON", "XML")
LONGEST_URL: Final = 2_000


class FormatOnly(Struct):
    """The format alone, for a body whose other parameters can't be read."""

    format: str | None = None


class TokenOnly(Struct):
    """The token alone, for a body whose other parameters can't be read."""

    token: str | None = None


class Parameters(Struct, kw_only=True):
    """The parameters of every method: the token, unless a header carries it, and the format of the reply."""

    token: str | None = None
    format: str | None = None

    def as_json(self) -> str:
        """The parameters that say what is asked for, without the token and the format."""
        given = {name: value for name, value in structs.asdict(self).items() if value is not None}
        return json.encode({name: given[name] for name in given if name not in ("token", "format")}).decode()


class Feedback(Struct, frozen=True):
    """The `feedback` parameter: where the statistics of a finished task are sent, and in which format."""

    url: str
    type: str = "JSON"

    def checked(self) -> Feedback:
        """The same, with its type in capitals. Raises Refusal 400."""
        kind = self.type.upper()
        if kind not in FEEDBACK_TYPES:
            raise Refusal(400, f"feedback.type is one of {', '.join(FEEDBACK_TYPES)}")
        try:
            parts = urlsplit(self.url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        plain = self.url.isascii() and self.url.isprintable() and " " not in self.url
        if not valid or not plain or len(self.url) > LONGEST_URL:
            raise Refusal(400, "feedback.url is not an http or https URL")
        return Feedback(self.url, kind)


class CountSegment(Parameters, kw_only=True):
    """segments/refresh_counters and segments/get_counters. Newer pages call `db_id` `list_id`."""

    id: int
    resource_id: int
    db_id: int | None = None
    list_id: int | None = None

    def database(self) -> int | None:
        """The database, under either name. Raises Refusal 400 where the two differ."""
        if self.db_id is not None and self.list_id is not None and self.db_id != self.list_id:
            raise Refusal(400, "db_id and list_id are two names of one parameter, and differ")
        return self.db_id if self.db_id is not None else self.list_id


class CountDatabase(Parameters, kw_only=True):
    """databases/refresh_counters, and databases/get_counters, which ignores `feedback`."""

    id: int
    resource_id: int
    feedback: Feedback | None = None


class CountResource(Parameters, kw_only=True):
    """resources/refresh_counters."""

    id: int
    list_id: int | None = None
    feedback: Feedback | None = None


class Status(Parameters, kw_only=True):
    """tasks/status."""

    task_id: str
