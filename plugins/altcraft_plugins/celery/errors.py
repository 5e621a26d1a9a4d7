"""The errors and the warning of the plugin."""

from __future__ import annotations

from altcraft import AltcraftError, AltcraftWarning

__all__ = ["ShortVisibilityWarning", "SubmissionInDoubt"]


class SubmissionInDoubt(AltcraftError):
    """A worker ended between a submission and the task id. The platform may have started a task; nothing is sent again.

    `key` is the id of the Celery job, `submitted_at` the time of the submission in UTC, as ISO 8601.
    """

    def __init__(self, key: str, submitted_at: str) -> None:
        super().__init__(key, submitted_at)
        self.key = key
        self.submitted_at = submitted_at

    def message(self) -> str:
        return (
            f"the job {self.key} sent its submission at {self.submitted_at}, and no task id was kept: "
            f"the platform may have started a task, so this one is not submitted again"
        )


class ShortVisibilityWarning(AltcraftWarning):
    """Redis delivers a waiting message twice, since its visibility timeout is shorter than the wait."""
