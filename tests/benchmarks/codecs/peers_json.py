"""Other libraries that read and write these documents as JSON, each used as its documentation shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

__all__ = ["DECODERS", "ENCODERS", "pydantic_models"]

Run: TypeAlias = Callable[[Any], Any]


def pydantic_models() -> dict[str, Any]:
    """The models of both replies."""
    from pydantic import BaseModel, create_model

    def model(name: str, **kinds: Any) -> Any:
        return create_model(name, __base__=BaseModel, **{field: (kind, ...) for field, kind in kinds.items()})

    channel = model("Channel", channel=str, status=dict[str, int | None])
    result = model(
        "Result", channels=list[channel], in_progress=bool, last_count_time=str, refresh_task_id=str, resource_id=int,
        total_count=int, updated=datetime,
    )  # fmt: skip
    status = model("Status", status=str, progress=int | float, result=list[result])
    started = model("Started", task_id=str)
    return {
        "status": model("StatusReply", data=status, error=int, error_text=str),
        "started": model("StartedReply", data=started, error=int, error_text=str),
    }


def bare_msgspec(size: str) -> Run:
    from .peers_xml import envelope_type, started_type

    return msgspec.json.Decoder(started_type() if size == "task_id" else envelope_type()).decode


def pydantic_json(size: str) -> Run:
    return pydantic_models()["started" if size == "task_id" else "status"].model_validate_json  # type: ignore[no-any-return]


def mashumaro_orjson(size: str) -> Run:
    from mashumaro.codecs.orjson import ORJSONDecoder

    def built(name: str, **kinds: Any) -> Any:
        return dataclass(type(name, (), {"__annotations__": kinds, "__module__": __name__}))

    channel = built("Channel", channel=str, status=dict[str, int | None])
    result = built(
        "Result", channels=list[channel], in_progress=bool, last_count_time=str, refresh_task_id=str, resource_id=int,
        total_count=int, updated=datetime,
    )  # fmt: skip
    data = (
        built("Data", task_id=str)
        if size == "task_id"
        else built("Data", status=str, progress=int, result=list[result])
    )
    return ORJSONDecoder(built("Whole", data=data, error=int, error_text=str)).decode


def write_msgspec(size: str) -> Run:
    return msgspec.json.Encoder().encode


DECODERS: dict[str, Callable[[str], Run]] = {
    "bare msgspec decoder": bare_msgspec,
    "pydantic JSON": pydantic_json,
    "mashumaro + orjson": mashumaro_orjson,
}
ENCODERS: dict[str, Callable[[str], Run]] = {"bare msgspec encoder": write_msgspec}
