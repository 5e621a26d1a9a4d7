"""Other libraries that read and write these documents as XML, each used as its documentation shows.

A maker imports its library and returns a function from bytes to a value. ImportError where the library is not
installed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from types import new_class
from typing import Any, TypeAlias

import msgspec

__all__ = ["DECODERS", "ENCODERS"]

Run: TypeAlias = Callable[[Any], Any]

COUNTERS = (
    "all", "complained", "hardbounced", "invalid", "subscribed", "subscribed_sendable", "suspended", "unconfirmed",
    "unconfirmed_sendable", "unsubscribed",
)  # fmt: skip


def envelope_type() -> Any:
    """The msgspec type that ours and the msgspec peers read the databases reply by."""
    from altcraft.schema import DatabaseStatistics, Envelope, TaskStatus

    return Envelope[TaskStatus[list[DatabaseStatistics]]]


def started_type() -> Any:
    """The type of the reply to a submission."""
    from altcraft.schema import Envelope, TaskStarted

    return Envelope[TaskStarted]


def raw_expat(size: str) -> Run:
    from xml.parsers.expat import ParserCreate

    return lambda data: ParserCreate().Parse(data, True)


def element_tree(size: str) -> Run:
    from xml.etree.ElementTree import fromstring

    return fromstring


def defused(size: str) -> Run:
    from defusedxml.ElementTree import fromstring

    return lambda data: fromstring(data, forbid_dtd=True)


def lxml_tree(size: str) -> Run:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    return lambda data: etree.fromstring(data, parser)


def lxml_objectify(size: str) -> Run:
    from lxml import objectify

    from altcraft.schema import ChannelStatistics, DatabaseStatistics, Envelope, TaskStarted, TaskStatus

    if size == "task_id":

        def started(data: bytes) -> Any:
            root = objectify.fromstring(data)
            return Envelope(
                data=TaskStarted(str(root.data.task_id)), error=int(root.error), error_text=str(root.error_text)
            )

        return started

    def status(data: bytes) -> Any:
        root = objectify.fromstring(data)
        results = [
            DatabaseStatistics(
                channels=[
                    ChannelStatistics(
                        str(channel.channel), {count.tag: int(count) for count in channel.status.iterchildren()}
                    )
                    for channel in result.channels
                ],
                in_progress=bool(result.in_progress),
                last_count_time=str(result.last_count_time),
                refresh_task_id=str(result.refresh_task_id),
                resource_id=int(result.resource_id),
                total_count=int(result.total_count),
                updated=datetime.fromisoformat(str(result.updated).replace("Z", "+00:00")),
            )
            for result in root.data.result
        ]
        state = TaskStatus(str(root.data.status), int(root.data.progress), results)
        return Envelope(data=state, error=int(root.error), error_text=str(root.error_text))

    return status


def _lists(said: dict[str, Any]) -> dict[str, Any]:
    """The content from xmltodict, with empty texts as strings."""
    document = said["xml"]
    for result in document["data"].get("result", ()):
        result["refresh_task_id"] = result["refresh_task_id"] or ""
    return document  # type: ignore[no-any-return]  # xmltodict is not typed


def xmltodict_msgspec(size: str) -> Run:
    import xmltodict

    kind = started_type() if size == "task_id" else envelope_type()
    return lambda data: msgspec.convert(
        _lists(xmltodict.parse(data, force_list=("result", "channels"))), kind, strict=False
    )


def xmltodict_pydantic(size: str) -> Run:
    import xmltodict

    from .peers_json import pydantic_models

    model = pydantic_models()["started" if size == "task_id" else "status"]
    return lambda data: model.model_validate(_lists(xmltodict.parse(data, force_list=("result", "channels"))))


def pydantic_xml(size: str) -> Run:
    from pydantic_xml import BaseXmlModel, element

    def model(name: str, tag: str, **fields: Any) -> Any:
        def fill(namespace: dict[str, Any]) -> None:
            namespace["__module__"] = __name__
            namespace["__annotations__"] = {field: kind for field, (kind, _) in fields.items()}
            namespace.update({field: default for field, (_, default) in fields.items() if default is not ...})

        return new_class(name, (BaseXmlModel,), {"tag": tag, "search_mode": "unordered"}, fill)

    if size == "task_id":
        started = model("Started", "data", task_id=(str, element()))
        whole = model("Whole", "xml", data=(started, ...), error=(int, element()), error_text=(str, element()))
        return lambda data: whole.from_xml(data)
    counters = model("Counters", "status", **{name: (int | None, element(default=None)) for name in COUNTERS})
    channel = model("Channel", "channels", channel=(str, element()), status=(counters, element(tag="status")))
    result = model(
        "Result", "result", channels=(list[channel], element(tag="channels")), in_progress=(bool, element()),
         # type: ignore[valid-type]
        last_count_time=(str, element()), refresh_task_id=(str | None, element(default="")), resource_id=(int,
        element()),
        total_count=(int, element()), updated=(datetime, element()),
    )  # fmt: skip
    status = model(
        "Status",
        "data",
        status=(str, element()),
        progress=(int, element()),
        result=(list[result], element(tag="result")),  # type: ignore[valid-type]
    )
    whole = model(
        "Whole", "xml", data=(status, element(tag="data")), error=(int, element()), error_text=(str, element())
    )
    return lambda data: whole.from_xml(data)


def xsdata(size: str) -> Run:
    from xsdata.formats.dataclass.context import XmlContext
    from xsdata.formats.dataclass.parsers import XmlParser
    from xsdata.formats.dataclass.parsers.handlers import XmlEventHandler
    from xsdata.models.datatype import XmlDateTime

    def one(default: Any = None) -> Any:
        return field(default=default, metadata={"type": "Element"})

    def many() -> Any:
        return field(default_factory=list, metadata={"type": "Element"})

    def built(name: str, kinds: dict[str, Any], fields: dict[str, Any]) -> Any:
        return dataclass(type(name, (), {"__annotations__": kinds, "__module__": __name__, **fields}))

    if size == "task_id":
        data_type = built("Data", {"task_id": str}, {"task_id": one()})
    else:
        counters = built("Counters", dict.fromkeys(COUNTERS, int), {name: one() for name in COUNTERS})
        channel = built("Channel", {"channel": str, "status": counters}, {"channel": one(), "status": one()})
        kinds = {
            "channels": list[channel], "in_progress": bool, "last_count_time": str, "refresh_task_id": str,
            "resource_id": int, "total_count": int, "updated": XmlDateTime,
        }  # fmt: skip
        result = built("Result", kinds, {name: many() if name == "channels" else one() for name in kinds})
        kinds = {"status": str, "progress": int, "result": list[result]}
        data_type = built("Data", kinds, {"status": one(), "progress": one(), "result": many()})
    kinds = {"data": data_type, "error": int, "error_text": str}
    whole = built("xml", kinds, {name: one() for name in kinds})
    parser = XmlParser(context=XmlContext(), handler=XmlEventHandler)
    return lambda data: parser.from_bytes(data, whole)


def write_element_tree(size: str) -> Run:
    from xml.etree.ElementTree import Element, SubElement, tostring

    def fill(parent: Element, value: dict[str, Any]) -> None:
        for name, item in value.items():
            for entry in item if isinstance(item, list) else (item,):
                child = SubElement(parent, name)
                if isinstance(entry, dict):
                    fill(child, entry)
                elif entry is not None:
                    child.text = str(entry).lower() if isinstance(entry, bool) else str(entry)

    def write(value: Any) -> bytes:
        root = Element("xml")
        fill(root, msgspec.to_builtins(value))
        return tostring(root)

    return write


def write_xmltodict(size: str) -> Run:
    import xmltodict

    return lambda value: xmltodict.unparse({"xml": msgspec.to_builtins(value)}, full_document=False).encode()


DECODERS: dict[str, Callable[[str], Run]] = {
    "raw expat, no handlers": raw_expat,
    "C ElementTree, tree only": element_tree,
    "lxml, tree only": lxml_tree,
    "lxml.objectify by hand": lxml_objectify,
    "defusedxml, tree only": defused,
    "xmltodict + msgspec": xmltodict_msgspec,
    "xmltodict + pydantic": xmltodict_pydantic,
    "pydantic-xml": pydantic_xml,
    "xsdata, native handler": xsdata,
}
ENCODERS: dict[str, Callable[[str], Run]] = {"C ElementTree": write_element_tree, "xmltodict": write_xmltodict}
