"""The hook: an Airflow connection as a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from altcraft import AltcraftError, Client

from airflow_provider_altcraft.provider_info import FIELD_BEHAVIOUR
from airflow_provider_altcraft.settings import Settings, settings_of

try:
    from airflow.sdk import BaseHook
except ImportError:  # Airflow 3.0
    from airflow.hooks.base import BaseHook  # type: ignore[attr-defined,no-redef]  # which newer ones lack

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["AltcraftHook"]


class AltcraftHook(BaseHook):
    """The client of an Airflow connection. As a context manager it gives the client, and closes it at the end.

    The connection's host is the installation's URL, its password the API token. Its extra fields are `codec`, `auth`,
    `request_timeout`, `polling_initial` and `polling_maximum`.
    """

    conn_name_attr = "altcraft_conn_id"
    default_conn_name = "altcraft_default"
    conn_type = "altcraft"
    hook_name = "Altcraft"

    def __init__(self, altcraft_conn_id: str = default_conn_name, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.altcraft_conn_id = altcraft_conn_id
        self._client: Client | None = None

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """The form of a connection, for an Airflow that does not read it from the provider's description."""
        return {name.replace("-", "_"): value for name, value in FIELD_BEHAVIOUR.items()}

    def settings(self) -> Settings:
        """What the connection says. ValueError for a connection without a URL, and for a field that is no number."""
        return settings_of(self.get_connection(self.altcraft_conn_id))

    def get_conn(self) -> Client:
        """The client, made on first use. The caller closes it with `close`."""
        if self._client is None:
            settings = self.settings()
            self._client = Client(settings.url, settings.token, **settings.keywords())
        return self._client

    def close(self) -> None:
        """Closes the client, which ends its waits with ClientClosed. May be called twice, from any thread."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def test_connection(self) -> tuple[bool, str]:
        """Whether the platform answers and takes the token, and what it says if not: one harmless exchange."""
        try:
            with self as client:
                client.check()
                return True, f"{client.host} answers, and takes the token"
        except (AltcraftError, ValueError, LookupError) as error:
            return False, f"{type(error).__name__}: {error}"

    def __enter__(self) -> Client:
        return self.get_conn()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
