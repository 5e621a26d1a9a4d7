"""What Airflow reads of the provider before it imports any other of its modules."""

from __future__ import annotations

from typing import Any

__all__ = ["FIELD_BEHAVIOUR", "get_provider_info"]

_NAME = "Altcraft"

FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["login", "schema", "port", "extra"],
    "relabeling": {"host": "URL", "password": "API token"},
    "placeholders": {"host": "https://your.host"},
}
"""How the form of a connection differs from Airflow's own."""

_FIELDS: dict[str, Any] = {
    "codec": {
        "label": "Format",
        "description": "The format of requests and replies.",
        "schema": {"type": ["string", "null"], "enum": ["json", "xml"], "default": "json"},
    },
    "auth": {
        "label": "Where the token travels",
        "description": "In the body, as the platform documents it, or in an Authorization header.",
        "schema": {"type": ["string", "null"], "enum": ["body", "bearer"], "default": "body"},
    },
    "request_timeout": {
        "label": "Seconds for one exchange",
        "schema": {"type": ["number", "null"], "default": 10, "exclusiveMinimum": 0},
    },
    "polling_initial": {
        "label": "Seconds before the second poll",
        "schema": {"type": ["number", "null"], "default": 1, "exclusiveMinimum": 0},
    },
    "polling_maximum": {
        "label": "Longest time between two polls, in seconds",
        "schema": {"type": ["number", "null"], "default": 30, "exclusiveMinimum": 0},
    },
}


def get_provider_info() -> dict[str, Any]:
    """The provider's description, as Airflow's schema of providers has it."""

    def modules(name: str) -> list[dict[str, Any]]:
        return [{"integration-name": _NAME, "python-modules": [f"airflow_provider_altcraft.{name}"]}]

    return {
        "package-name": "airflow-provider-altcraft",
        "name": _NAME,
        "description": "Recounts the Altcraft platform's subscription statistics.",
        "integrations": [{"integration-name": _NAME, "external-doc-url": "https://altcraft.com", "tags": ["service"]}],
        "hooks": modules("hooks"),
        "operators": modules("operators"),
        "sensors": modules("sensors"),
        "triggers": modules("triggers"),
        "connection-types": [
            {
                "hook-class-name": "airflow_provider_altcraft.hooks.AltcraftHook",
                "hook-name": _NAME,
                "connection-type": "altcraft",
                "conn-fields": _FIELDS,
                "ui-field-behaviour": FIELD_BEHAVIOUR,
            }
        ],
        "extra-links": ["airflow_provider_altcraft.links.AltcraftLink"],
    }
