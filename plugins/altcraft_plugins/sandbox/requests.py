"""What the sandbox reads: the methods' parameters, strictly. Unknown parameters are passed over."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from altcraft_plugins.sandbox.faults import Fault
from altcraft_plugins.sandbox.replies import Feedback

__all__ = [
    "CountDatabase",
    "CountResource",
    "CountSegment",
    "FormatOnly",
    "Parameters",
    "Status",
    "TokenOnly",
    "check_feedback",
]

FEEDBACK_TYPES: Final = ("JSON", "XML")
LONGEST_URL: Final = 2_000


class FormatOnly(Struct):
    """For a body whose other parameters could not be read."""

    format: str | None = None


class TokenOnly(Struct):
    """For a body whose other parameters could not be read."""

    token: str | None = None


class Parameters(Struct, kw_only=True):
    """Every method's own: the token, unless it is in a header, and the reply's format."""

    token: str | None = None
    format: str | None = None


class FeedbackParameter(Struct):
    """feedback, as it was sent."""

    url: str
    type: str = "JSON"


class CountSegment(Parameters, kw_only=True):
    """segments/refresh_counters and segments/get_counters. `list_id` is the newer pages' name of `db_id`."""

    id: int
    resource_id: int
    db_id: int | None = None
    list_id: int | None = None

    def database(self) -> int | None:
        """The database, under either name. Raises Fault 400 where the two differ."""
        if self.db_id is not None and self.list_id is not None and self.db_id != self.list_id:
            raise Fault(400, "db_id and list_id are two names of one parameter, and differ")
        return self.db_id if self.db_id is not None else self.list_id


class CountDatabase(Parameters, kw_only=True):
    """databases/refresh_counters and databases/get_counters (which has no feedback, and passes it over)."""

    id: int
    resource_id: int
    feedback: FeedbackParameter | None = None


class CountResource(Parameters, kw_only=True):
    """resources/refresh_counters."""

    id: int
    list_id: int | None = None
    feedback: FeedbackParameter | None = None


class Status(Parameters, kw_only=True):
    """tasks/status."""

    task_id: str


def check_feedback(feedback: FeedbackParameter | None) -> Feedback | None:
    """The feedback as it is kept, with its type in capitals. Raises Fault 400."""
    if feedback is None:
        return None
    kind = feedback.type.upper()
    if kind not in FEEDBACK_TYPES:
        raise Fault(400, f"feedback.type is one of {', '.join(FEEDBACK_TYPES)}")
    try:
        parts = urlsplit(feedback.url)
        fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fit = False
    plain = feedback.url.isascii() and feedback.url.isprintable() and " " not in feedback.url
    if not fit or not plain or len(feedback.url) > LONGEST_URL:
        raise Fault(400, "feedback.url is not an http or https URL")
    return Feedback(kind, feedback.url)
