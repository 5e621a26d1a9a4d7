"""The link of a task instance to the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

__all__ = ["AltcraftLink"]


class AltcraftLink(BaseOperatorLink):
    """Leads to the installation's front page: the platform documents no address of a task or of a segment."""

    name = "Altcraft"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The installation's address, without path and credentials; empty for the embedded sandbox."""
        from airflow_provider_altcraft.hooks import AltcraftHook

        parts = urlsplit(AltcraftHook(getattr(operator, "altcraft_conn_id", "altcraft_default")).settings().url)
        if not parts.hostname:
            return ""
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"
