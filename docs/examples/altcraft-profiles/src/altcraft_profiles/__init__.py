"""profiles/get_all: the platform exports profiles into files, and `download` fetches them.

Documented are the method's parameters, its result, and one example. Assumed, since no page says so: the urls are
paths on the installation's own host, and a GET with the API token as a bearer fetches such a file.
"""

from __future__ import annotations

import msgspec
from altcraft import Operation, TaskRequest, hookimpl
from altcraft.operations import OperationRegistry

from altcraft_profiles.download import download

__all__ = ["PROFILES_GET_ALL", "ProfilesExport", "ProfilesGetAll", "altcraft_register_operations", "download"]


class ProfilesExport(msgspec.Struct):
    """The result: `total` profiles of one source, in the files at `urls`.

    What an entry of `errors` looks like is not documented.
    """

    urls: list[str] = []
    errors: list[object] = []
    source_id: int | None = None
    total: int | None = None
    type: str | None = None


class ProfilesGetAll(TaskRequest[ProfilesExport], frozen=True):
    """Export the profiles of a "database" or a "segment".

    The values of `file_format` and `custom_request` are not documented beyond their names.
    """

    source_type: str
    source_id: int
    file_format: str | None = None
    custom_request: dict[str, object] | None = None


PROFILES_GET_ALL = Operation("profiles/get_all", ProfilesGetAll)


@hookimpl
def altcraft_register_operations(registry: OperationRegistry) -> None:
    """Declares the operation for a client that is being made."""
    registry.register(PROFILES_GET_ALL)
