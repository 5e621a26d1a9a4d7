"""XML: any well-formed document that carries the platform's data is read; no document type ever is."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altcraft import (
    ChannelStatistics,
    DatabaseStatistics,
    DecodeError,
    EncodeError,
    SegmentStatistics,
    TaskStatus,
    UnsafeXml,
)
from altcraft.codecs.json import JsonCodec
from altcraft.codecs.xml import XmlCodec
from altcraft.codecs.xml import parser as xml_read
from altcraft.schema import (
    DatabasesRefreshCounters,
    Envelope,
    ErrorEnvelope,
    Feedback,
    SegmentsRefreshCounters,
    TaskStarted,
)
from golden import EXAMPLES, Example, example
from round_trips import ROUND_TRIPS

CODEC = XmlCodec()
Completed = Envelope[TaskStatus[list[SegmentStatistics]]]
XML_EXAMPLES = [known for known in EXAMPLES if known.format == "xml"]
xml_examples = pytest.mark.parametrize("golden", XML_EXAMPLES, ids=lambda golden: golden.name)


class Everything(msgspec.Struct):
    """A user's own type, with every kind of field that XML has a form for."""

    text: str = "unset"
    maybe_text: str | None = "unset"
    number: int = -1
    maybe_number: int | None = -1
    ratio: float = 0.5
    flag: bool = False
    day: date = date(2000, 1, 1)
    moment: datetime | None = None
    amount: Decimal = Decimal(0)
    uuid: UUID = UUID(int=0)
    pause: timedelta = timedelta(0)
    texts: list[str] = []
    numbers: list[int] = []
    few: tuple[int, ...] = ()
    several: set[int] = set()
    objects: list[TaskStarted] = []
    one: TaskStarted | None = None
    by_name: dict[str, int | None] = {}
    many_by_name: dict[str, list[int]] = {}
    anything: Any = None
    either: int | str = 0


def read(inside: str, type_: type = Everything) -> object:
    return CODEC.decode(f"<xml>{inside}</xml>".encode(), type_)


@ROUND_TRIPS
@given(data=st.data())
@settings(max_examples=15)
def test_what_is_written_is_read_back_equal(
    type_: type, values: st.SearchStrategy[object], data: st.DataObject
) -> None:
    value = data.draw(values)
    assert CODEC.decode(CODEC.encode(value), type_) == value


def test_every_kind_of_field_is_written_and_read_back() -> None:
    value = Everything(
        text="a <b> & 'c' \"d\" ]]> \r\n\t é 😀", maybe_text=None, number=-5, maybe_number=None, ratio=1e-7, flag=True,
        day=date(2024, 2, 29), moment=datetime(2024, 4, 17, 21, 36, 1, 449_123, tzinfo=timezone(timedelta(hours=3))),
        amount=Decimal("12.50"), uuid=UUID(int=2**127), pause=timedelta(seconds=90), texts=["", "a", ""],
        numbers=[1], few=(1, 2), several={3}, objects=[TaskStarted("t")], one=TaskStarted(""),
        by_name={"a": 1, "b": None}, many_by_name={"a": [1, 2], "b": [3]}, either="seven",
    )  # fmt: skip
    # A null and an empty string look alike where both may stand: the string wins.
    assert CODEC.decode(CODEC.encode(value), Everything) == msgspec.structs.replace(value, maybe_text="", anything="")


# Writing.


def test_it_writes_the_root_xml_with_arrays_as_repeated_elements_and_no_declaration() -> None:
    value = {"data": [{"a": 1}, {"a": 2}], "none": None, "nothing": [], "text": "", "yes": True, "error": 0}
    assert CODEC.encode(value) == (
        b"<xml><data><a>1</a></data><data><a>2</a></data><none/><nothing/><text></text><yes>true</yes>"
        b"<error>0</error></xml>"
    )


def test_a_request_is_written_with_the_wires_own_names_and_without_what_is_not_set() -> None:
    request = DatabasesRefreshCounters(5, 24, Feedback("http://me.example/?a=1&b=2"), token="t", format="xml")
    assert CODEC.encode(request) == (
        b"<xml><id>5</id><resource_id>24</resource_id><feedback><url>http://me.example/?a=1&amp;b=2</url>"
        b"<type>JSON</type></feedback><token>t</token><format>xml</format></xml>"
    )


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime(2024, 4, 17, 21, 36, 1, 449_000, tzinfo=timezone.utc), b"2024-04-17T21:36:01.449Z"),
        (datetime(2024, 4, 17, 21, 36, 1, tzinfo=timezone.utc), b"2024-04-17T21:36:01.000Z"),
        (datetime(2024, 4, 17, 21, 36, 1, 1, tzinfo=timezone.utc), b"2024-04-17T21:36:01.000001Z"),
        (datetime(1, 1, 1, tzinfo=timezone.utc), b"0001-01-01T00:00:00.000Z"),
        (datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=3))), b"2024-01-01T00:00:00.000+03:00"),
    ],
)
def test_a_moment_is_written_to_the_millisecond_or_as_exactly_as_it_is(moment: datetime, written: bytes) -> None:
    assert CODEC.encode({"updated": moment}) == b"<xml><updated>" + written + b"</updated></xml>"


class Level(str, enum.Enum):
    """An enumeration whose members are texts, which Python shows by their names from 3.11 on."""

    LOW = "low"
    BOTH = "low & high"


@dataclass
class Part:
    """An object that is no struct."""

    level: Level
    _size: int = 0


@dataclass
class Whole:
    """Objects within an object, none of them a struct."""

    parts: list[Part] = field(default_factory=list)
    first: Part | None = None
    note: str | msgspec.UnsetType = msgspec.UNSET
    since: datetime | None = None


@pytest.mark.parametrize("codec", [JsonCodec(), CODEC], ids=["json", "xml"])
def test_dataclasses_and_texts_of_enumerations_come_back_as_they_went(codec: Any) -> None:
    moment = datetime(2024, 4, 17, 21, 36, 1, 449_000, tzinfo=timezone.utc)
    for value in (Whole(), Whole([Part(Level.LOW, 2), Part(Level.BOTH)], Part(Level.BOTH), "", moment)):
        assert codec.decode(codec.encode(value), Whole) == value
    assert codec.encode({"level": Level.LOW, "part": Part(Level.BOTH)}) == (
        b'{"level":"low","part":{"level":"low & high","_size":0}}'
        if codec is not CODEC
        else b"<xml><level>low</level><part><level>low &amp; high</level><_size>0</_size></part></xml>"
    )


class Size(enum.Enum):
    """An enumeration whose members are no texts, but have one."""

    FULL = "full"
    PARTIAL = 5


class Moment(datetime):
    """A moment of a class of its own, which msgspec does not write."""


class NoZone(tzinfo):
    """A time zone that does not say what it is."""


class Lacking(msgspec.Struct):
    """A struct from which something can be taken away."""

    text: str = ""


def lacking() -> Lacking:
    """A struct without a value in its field."""
    struct = Lacking()
    del struct.text
    return struct


def unresolved() -> object:
    """A struct whose field has a type that nobody finds."""
    struct = msgspec.defstruct("Unresolved", [("field", "Nowhere")])
    return struct(object())


def test_a_key_is_written_as_the_text_that_json_has_for_it() -> None:
    assert CODEC.encode({Size.FULL: 1, Level.LOW: 2}) == b"<xml><full>1</full><low>2</low></xml>"
    for key in (Size.PARTIAL, 5, 1.5, None, True, ("a",)):
        with pytest.raises(EncodeError):
            CODEC.encode({key: 1})


@pytest.mark.parametrize("codec", [JsonCodec(), CODEC], ids=["json", "xml"])
@pytest.mark.parametrize(
    "value",
    [Moment(2024, 1, 2), datetime(2024, 1, 2, tzinfo=NoZone()), lacking(), Whole(note=object())],
    ids=["moment", "zone", "lacking", "object"],
)
def test_a_value_that_is_not_what_it_seems_is_an_encode_error(codec: Any, value: object) -> None:
    for whole in ({"a": value}, {"a": [value]}, TaskStarted(value)):
        with pytest.raises(EncodeError):
            codec.encode(whole)


def test_a_struct_of_a_type_that_does_not_resolve_is_an_encode_error() -> None:
    with pytest.raises(EncodeError, match="Nowhere"):
        CODEC.encode(unresolved())


def test_dataclasses_in_dataclasses_take_no_more_work_on_every_level() -> None:
    @dataclass
    class Nest:
        inside: Any

    value: Any = {"numbers": list(range(5_000))}
    for _ in range(200):
        value = Nest(value)
    began = time.process_time()
    assert CODEC.encode(value).endswith(b"<numbers>4999</numbers>" + b"</inside>" * 200 + b"</xml>")
    assert time.process_time() - began < 0.5  # seconds


def test_a_dataclass_with_something_in_it_that_has_no_form_is_an_encode_error() -> None:
    with pytest.raises(EncodeError, match="<note>: not expressible in XML"):
        CODEC.encode({"whole": Whole(note=object())})


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x0b", "\x1f", "\ufffe", "\uffff", "\udfff"])
def test_a_character_that_xml_cannot_carry_is_an_encode_error_naming_the_element(character: str) -> None:
    with pytest.raises(EncodeError, match=f"<task_id>.*U\\+{ord(character):04X}"):
        CODEC.encode({"task_id": f"a{character}b"})


@pytest.mark.parametrize("character", ["\t", "\n", "\r", "\x7f", "\x85", "\u2028", "\ufffd", "\U0010ffff"])
def test_every_other_character_comes_back_as_it_went(character: str) -> None:
    assert CODEC.decode(CODEC.encode({"text": f"a{character}b"}), Everything).text == f"a{character}b"


@pytest.mark.parametrize("name", ["", "1a", "a b", "a>", "<", "a:b", "é", "-a", "a\n"])
def test_a_name_that_is_no_elements_is_an_encode_error(name: str) -> None:
    with pytest.raises(EncodeError, match="name of an XML element"):
        CODEC.encode({name: 1})


@pytest.mark.parametrize(
    "value", [[1, 2], {"a": [[1]]}, {"a": object()}, {"a": {"b": print}}, [{"a": 1}], {"a": ([],)}]
)
def test_a_value_without_a_form_in_xml_is_an_encode_error(value: object) -> None:
    with pytest.raises(EncodeError):
        CODEC.encode(value)


def test_a_value_within_itself_is_an_encode_error() -> None:
    circle: dict[str, object] = {}
    circle["a"] = circle
    with pytest.raises(EncodeError, match="deep"):
        CODEC.encode(circle)


# Reading what is legal XML, though the platform was never seen to write it.


@pytest.mark.parametrize(
    "text",
    [
        "<xml><text>ab</text></xml>",
        '<?xml version="1.0"?><xml><text>ab</text></xml>',
        "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>\n<xml><text>ab</text></xml>\n",
        '<xml a="1" b=\'2\'><text xml:lang="en" nil="true">ab</text></xml>',
        "<xml><text>a<!-- a < comment & -->b</text></xml>",
        "<!-- before --><xml><!-- in --><text><!-- start -->ab<!-- end --></text></xml><!-- after -->",
        "<xml><text><![CDATA[ab]]></text></xml>",
        "<xml><text>a<![CDATA[b]]></text></xml>",
        "<xml><text><![CDATA[a]]><![CDATA[b]]></text></xml>",
        "<xml><text>a<?php echo 1 ?>b</text></xml>",
        '<?style x="y"?><xml><?here?><text>ab</text></xml><?there?>',
        "<xml><text>&#97;&#x62;</text></xml>",
        '<xml xmlns="urn:x"><text>ab</text></xml>',
        '<a:xml xmlns:a="urn:x" xmlns:b="urn:y"><b:text b:c="d">ab</b:text></a:xml>',
        "<xml\n><text\t>ab</text\n></xml >",
        "<xml><unknown><text>no</text><deep><deeper/></deep></unknown><text>ab</text><other/></xml>",
        "<xml>stray<text>ab</text>words</xml>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_same_data_in_any_dress_reads_the_same(text: str, encoding: str) -> None:
    if encoding == "utf-16":
        text = text.replace("UTF-8", "UTF-16")
    assert CODEC.decode(text.encode(encoding), Everything) == Everything(text="ab")


@pytest.mark.parametrize(
    ("reference", "text"),
    [("&lt;&gt;&amp;&apos;&quot;", "<>&'\""), ("&#13;&#10;&#9;", "\r\n\t"), ("&#1F600;".replace("1F", "x1F"), "😀")],
)
def test_the_five_entities_and_character_references_are_characters(reference: str, text: str) -> None:
    assert read(f"<text>{reference}</text>") == Everything(text=text)


def test_line_ends_are_normalised_as_xml_has_it() -> None:
    assert read("<text>a\r\nb\rc</text>") == Everything(text="a\nb\nc")


@pytest.mark.parametrize(
    ("declared", "encoding", "text"),
    [
        (None, "utf-8", "é Ж 😀"),
        (None, "utf-8-sig", "é Ж 😀"),
        ("utf-8", "utf-8", "é Ж 😀"),
        ("UTF-8", "utf-8-sig", "é Ж 😀"),
        ("utf-16", "utf-16", "é Ж 😀"),
        (None, "utf-16", "é Ж 😀"),
        ("utf-16", "utf-16-le", "é Ж 😀"),
        ("utf-16", "utf-16-be", "é Ж 😀"),
        (None, "utf-16-le", "é Ж 😀"),
        (None, "utf-16-be", "é Ж 😀"),
        ("iso-8859-1", "iso-8859-1", "é ÿ"),
        ("ISO-8859-1", "iso-8859-1", "only ascii"),
        ("iso-8859-5", "iso-8859-5", "Ж"),
        ("windows-1251", "windows-1251", "Привет, №1"),
        ("windows-1252", "windows-1252", "“quoted” €"),
        ("koi8-r", "koi8-r", "Привет"),
        ("us-ascii", "us-ascii", "ascii"),
    ],
)
@pytest.mark.parametrize("quote", ['"', "'"])
def test_every_encoding_that_expat_knows_is_read(declared: str | None, encoding: str, text: str, quote: str) -> None:
    declaration = f"<?xml version={quote}1.0{quote} encoding={quote}{declared}{quote}?>" if declared else ""
    document = f"{declaration}<xml><text>{text}</text></xml>".encode(encoding)
    if encoding.startswith("utf-16-") and declared:  # whether with a byte order mark or without
        assert CODEC.decode("\ufeff".encode(encoding) + document, Everything) == Everything(text=text)
    assert CODEC.decode(document, Everything) == Everything(text=text)


@pytest.mark.parametrize(
    "document",
    [
        b'<?xml version="1.0" encoding="us-ascii"?><xml><text>\xc3\xa9</text></xml>',
        b'<?xml version="1.0" encoding="utf-8"?><xml><text>\xe9</text></xml>',
        b'<?xml version="1.0" encoding="utf-16"?><xml/>',
        b'<?xml version="1.0" encoding="no-such-encoding"?><xml/>',
        b'<?xml version="1.0" encoding="base64"?><xml/>',
        b'<?xml version="1.0" encoding="utf-7"?><xml/>+',
        b'<?xml version="1.0" encoding=""?><xml/>',
        b'<?xml version="1.0"' + b" " * 3_000 + b'encoding="unicode_escape"?><xml/>',
        b'<?xml version="1.0"' + b" " * 3_000 + b'encoding="cp437"?><xml/>',
        b'<?xml version="1.0" encoding="\xff"?><xml/>',
        b'<?xml version="2.0"?><xml></y>',
        b'\xff\xfe<\x00x\x00m\x00l\x00/\x00',
        "<xml/>".encode("utf-32"),
        b"<xml><text>\xed\xa0\x80</text></xml>",
        b"<xml><text>\xc0\xbc</text></xml>",
        b"<xml><text>&#xD800;</text></xml>",
        b"<xml><text>&#0;</text></xml>",
        b"<xml><text>\x01</text></xml>",
        b"<xml><text>a\x00b</text></xml>",
    ],
)  # fmt: skip
def test_bytes_that_are_not_what_they_are_declared_to_be_are_refused(document: bytes) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(document, Everything)


# What the schema says of what looks alike.


@pytest.mark.parametrize(
    ("inside", "field", "value"),
    [
        ("<text/>", "text", ""),
        ("<text></text>", "text", ""),
        ("<text> </text>", "text", " "),
        ("<maybe_text/>", "maybe_text", ""),
        ("<maybe_number/>", "maybe_number", None),
        ("<maybe_number> \n</maybe_number>", "maybe_number", None),
        ("<moment/>", "moment", None),
        ("<number/>", "number", -1),
        ("<flag/>", "flag", False),
        ("<one/>", "one", None),
        ("<one>\n</one>", "one", None),
        ("<texts/>", "texts", []),
        ("<texts/><texts/>", "texts", ["", ""]),
        ("<texts/><texts>a</texts>", "texts", ["", "a"]),
        ("<texts> </texts>", "texts", [" "]),
        ("<texts>one</texts>", "texts", ["one"]),
        ("<numbers/>", "numbers", []),
        ("<numbers>\n</numbers>", "numbers", []),
        ("<numbers>5</numbers>", "numbers", [5]),
        ("<numbers> 5 </numbers><numbers>\n6\n</numbers>", "numbers", [5, 6]),
        ("<few/>", "few", ()),
        ("<several>1</several><several>1</several>", "several", {1}),
        ("<objects/>", "objects", []),
        ("<objects>\n  </objects>", "objects", []),
        ("<objects><task_id>a</task_id></objects>", "objects", [TaskStarted("a")]),
        ("<by_name/>", "by_name", {}),
        ("<by_name> </by_name>", "by_name", {}),
        ("<by_name><a/><b>2</b></by_name>", "by_name", {"a": None, "b": 2}),
        ("<many_by_name><a>1</a><b>2</b><a>3</a></many_by_name>", "many_by_name", {"a": [1, 3], "b": [2]}),
        ("<many_by_name><a/></many_by_name>", "many_by_name", {"a": []}),
        ("<many_by_name><a> </a><b>1</b></many_by_name>", "many_by_name", {"a": [], "b": [1]}),
        ("<number> 12\t</number>", "number", 12),
        ("<number>+5</number>".replace("+", "-"), "number", -5),
        ("<ratio>1e3</ratio>", "ratio", 1000.0),
        ("<flag>true</flag>", "flag", True),
        ("<flag> false </flag>", "flag", False),
        ("<either>12</either>", "either", "12"),
        ("<anything/>", "anything", ""),
        ("<anything>5</anything>", "anything", "5"),
        ("<anything><a>1</a><a>2</a><b/></anything>", "anything", {"a": ["1", "2"], "b": ""}),
    ],
)
def test_the_schema_tells_what_an_element_means(inside: str, field: str, value: object) -> None:
    assert getattr(read(inside), field) == value
    assert type(getattr(read(inside), field)) is type(value)


class Decided(msgspec.Struct):
    """A field for each of msgspec's liberties with texts."""

    number: int = -1
    maybe: int | None = -1
    moment: datetime | None = None
    surely: datetime = datetime(1970, 1, 1, tzinfo=timezone.utc)
    flag: bool | None = None
    ratio: float = -1.0


LIBERTIES: list[tuple[str, str, object]] = [
    ("number", "1e3", 1000),
    ("number", "12.0", 12),
    ("number", "12.5", None),
    ("number", "007", None),
    ("number", "+5", None),
    ("number", " 12 ", 12),
    ("number", "null", None),
    ("number", "true", None),
    ("number", "", -1),
    ("maybe", "null", "None"),
    ("maybe", "NULL", "None"),
    ("maybe", "none", None),
    ("maybe", "", "None"),
    ("moment", "1713389761", datetime(2024, 4, 17, 21, 36, 1, tzinfo=timezone.utc)),
    ("moment", "1713389761.5", datetime(2024, 4, 17, 21, 36, 1, 500_000, tzinfo=timezone.utc)),
    ("moment", " 2024-04-17T21:36:01Z\n", datetime(2024, 4, 17, 21, 36, 1, tzinfo=timezone.utc)),
    ("moment", "", "None"),
    ("surely", "", datetime(1970, 1, 1, tzinfo=timezone.utc)),
    ("flag", "True", True),
    ("flag", "0", False),
    ("flag", "yes", None),
    ("ratio", "nan", None),
    ("ratio", " -Infinity ", None),
    ("ratio", "1e400", None),
]


@pytest.mark.parametrize("express", [False, True])
@pytest.mark.parametrize(("field", "text", "value"), LIBERTIES)
def test_each_of_msgspecs_liberties_is_decided(field: str, text: str, value: object, *, express: bool) -> None:
    """None stands for a refusal, "None" for None."""
    codec = XmlCodec(express=express)
    for _ in range(4):
        codec.decode(f"<xml><{field}>1</{field}></xml>".encode(), Decided)
    document = f"<xml><{field}>{text}</{field}></xml>".encode()
    if value is None:
        with pytest.raises(DecodeError):
            codec.decode(document, Decided)
    else:
        assert getattr(codec.decode(document, Decided), field) == (None if value == "None" else value)


def test_an_empty_moment_is_refused_where_there_must_be_one() -> None:
    class Dated(msgspec.Struct):
        at: datetime

    with pytest.raises(DecodeError):
        read("<at/>", Dated)


class Spaced(enum.Enum):
    """Two texts that differ by a space."""

    PADDED = " a"
    PLAIN = "a"


class Holder(msgspec.Struct):
    """One of them."""

    kind: Spaced


def test_the_white_space_in_an_enumerations_text_is_part_of_it() -> None:
    for kind in Spaced:
        assert CODEC.decode(CODEC.encode(Holder(kind)), Holder) == Holder(kind)
    assert read("<kind>a\n</kind>", Holder) == Holder(Spaced.PLAIN)


def test_an_array_at_the_root_of_the_data_is_read_with_any_number_of_items() -> None:
    entry = "<data><channel>email</channel><status><all>1</all></status></data>"
    for count in (1, 2, 3):
        envelope = read(entry * count + "<error>0</error>", Envelope[list[ChannelStatistics]])
        assert envelope == Envelope(data=[ChannelStatistics("email", {"all": 1})] * count, error=0)
    assert read("<data/><error>0</error>", Envelope[list[ChannelStatistics]]) == Envelope(data=[], error=0)


def test_empty_data_of_an_object_is_absent() -> None:
    assert read("<data/><error>401</error>", Envelope[TaskStarted]) == Envelope(error=401)


def test_items_of_an_array_need_not_stand_side_by_side() -> None:
    assert read("<numbers>1</numbers><text>x</text><numbers>2</numbers>") == Everything(text="x", numbers=[1, 2])


def test_an_object_may_contain_its_own_kind() -> None:
    tree = CODEC.decode(b"<xml><name>a</name><inner><name>b</name><inner><name>c</name></inner></inner></xml>", Tree)
    assert tree == Tree("a", [Tree("b", [Tree("c")])])
    assert CODEC.decode(CODEC.encode(tree), Tree) == tree


class Tree(msgspec.Struct):
    """An object that contains its own kind."""

    name: str
    inner: list[Tree] = []


class Circle(msgspec.Struct, tag_field="kind", tag="circle"):
    """One of two shapes."""

    radius: int


class Square(msgspec.Struct, tag_field="kind", tag="square"):
    """The other one, with a field that another name stands for."""

    side_length: int = msgspec.field(name="side-length")
    corners: list[int] = []


class Drawing(msgspec.Struct):
    """Either shape, many times."""

    shapes: list[Circle | Square]


def test_objects_of_several_types_are_told_apart_by_their_tag() -> None:
    drawing = Drawing([Circle(1), Square(2, [1]), Square(3)])
    written = CODEC.encode(drawing)
    assert b"<kind>square</kind><side-length>2</side-length><corners>1</corners>" in written
    assert CODEC.decode(written, Drawing) == drawing


# What is refused.


@pytest.mark.parametrize(
    ("inside", "type_"),
    [
        ("<error>0</error><error>1</error>", ErrorEnvelope),
        ("<error>0</error><error>0</error>", ErrorEnvelope),
        ("<error_text/><error_text/>", ErrorEnvelope),
        ("<data><task_id>a</task_id></data><data><task_id>b</task_id></data>", Envelope[TaskStarted]),
        ("<data><task_id>a</task_id><task_id>b</task_id></data>", Envelope[TaskStarted]),
        ("<channel>a</channel><status><all>1</all><all>2</all></status>", ChannelStatistics),
        ("<channel>a</channel><status/><status/>", ChannelStatistics),
    ],
)
def test_a_single_value_that_comes_twice_is_refused(inside: str, type_: type) -> None:
    with pytest.raises(DecodeError, match="more than one"):
        read(inside, type_)


@pytest.mark.parametrize(
    ("inside", "type_"),
    [
        ("<error>zero</error>", ErrorEnvelope),
        ("<error>1.5</error>", ErrorEnvelope),
        ("<error>0<b/></error>", ErrorEnvelope),
        ("<error><error>0</error></error>", ErrorEnvelope),
        ("<data><task>a</task></data>", Envelope[TaskStarted]),
        ("<data>text</data>", Envelope[TaskStarted]),
        ("<data><task_id><b>x</b></task_id></data>", Envelope[TaskStarted]),
        ("<numbers>x</numbers>", Everything),
        ("<numbers/><numbers/>", Everything),
        ("<flag>maybe</flag>", Everything),
        ("<by_name>text</by_name>", Everything),
        ("<updated>yesterday</updated>", SegmentStatistics),
        ("<updated>2024-04-17T21:36:01</updated>", SegmentStatistics),
        ("<channels>email</channels>", SegmentStatistics),
        ("<number>" + "9" * 5000 + "</number>", Everything),
        ("<number>1_000</number>", Everything),
        ("<number>0x10</number>", Everything),
        ("<number>١٢</number>", Everything),
    ],
)
def test_another_shape_is_refused(inside: str, type_: type) -> None:
    with pytest.raises(DecodeError):
        read(inside, type_)


@pytest.mark.parametrize("root", ["html", "XML", "Xml", "response", "xmlx", "data"])
def test_another_root_is_refused_by_its_name(root: str) -> None:
    with pytest.raises(DecodeError, match=f"<{root}>"):
        CODEC.decode(f"<{root}><error>0</error></{root}>".encode(), ErrorEnvelope)


@pytest.mark.parametrize(
    "document",
    [
        b"", b" ", b"{}", b"xml", b"<", b"<xml", b"<xml>", b"</xml>", b"<xml/><xml/>", b"<xml/>x", b"<xml/>\0",
        b"<xml></XML>", b"<xml><a></xml></a>", b"<xml>&nbsp;</xml>", b"<xml>&x;</xml>", b"<xml>&</xml>",
        b"<xml a=1/>", b"<xml a='1' a='2'/>", b"<xml><a:b/></xml>", b"<xml>]]></xml>", b"<xml><!-- -- --></xml>",
        b' <?xml version="1.0"?><xml/>', b"<xml><![CDATA[</xml>", b"<xml/><![CDATA[x]]>",
        b"<xml><?xml version='1.0'?></xml>",
    ],
)  # fmt: skip
@pytest.mark.parametrize("type_", [object, ErrorEnvelope])
def test_what_is_not_well_formed_is_refused(document: bytes, type_: type) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(document, type_)


@pytest.mark.parametrize("levels", [500, 5000, 50_000])
@pytest.mark.parametrize("type_", [object, ErrorEnvelope, Tree])
def test_nesting_without_end_is_read_or_refused(levels: int, type_: type) -> None:
    for document in (
        b"<xml>" + b"<inner>" * levels + b"</inner>" * levels + b"</xml>",
        b"<xml>" + b"<inner><name>x</name>" * levels + b"</inner>" * levels + b"</xml>",
        b"<xml>" + b"<inner>" * levels,
    ):
        try:
            CODEC.decode(document, type_)
        except DecodeError:
            continue


class Table(msgspec.Struct):
    """Arrays in arrays: XML as the platform writes it has no form for them."""

    rows: list[list[int]]


class Pair(msgspec.Struct, array_like=True):
    """Written as an array."""

    a: int


@pytest.mark.parametrize("type_", [Table, list[int], Pair, Envelope[list[Pair]], dict[str, list[list[int]]]])
def test_a_type_without_a_form_in_xml_is_the_callers_mistake(type_: type) -> None:
    with pytest.raises(TypeError, match="form"):
        CODEC.decode(b"<xml/>", type_)


class Text(msgspec.Struct, tag=1, tag_field="kind"):
    """One of three objects whose fields have the same names, and nothing else in common."""

    x: str
    y: str = "y"


class Numbers(msgspec.Struct, tag=-2, tag_field="kind"):
    """The second."""

    x: list[int]
    y: int | None = None


class Deep(msgspec.Struct, tag=30, tag_field="kind"):
    """The third."""

    x: Text | Numbers
    y: dict[str, str] = {}


class Any3(msgspec.Struct):
    """Any of the three."""

    one: Text | Numbers | Deep
    more: list[Text | Numbers | Deep] = []


@pytest.mark.parametrize("express", [True, False])
def test_the_fields_of_an_object_are_those_that_its_tag_says(*, express: bool) -> None:
    codec = XmlCodec(express=express)
    objects = [Text("a"), Text(""), Text("", ""), Numbers([]), Numbers([1]), Numbers([1, 2], 3), Deep(Numbers([]))]
    values = [Any3(one, [*objects[:number], one]) for number, one in enumerate([*objects, Deep(Text("b"), {"c": ""})])]
    for value in values * 4:
        assert codec.decode(codec.encode(value), Any3) == value
    for unknown in ("<kind>31</kind><x>a</x>", "<x>a</x>", "<kind/>", "<kind>1.0</kind><x>a</x>"):
        with pytest.raises(DecodeError):
            codec.decode(f"<xml><one>{unknown}</one></xml>".encode(), Any3)


class Place(NamedTuple):
    """An array of fixed length with names."""

    name: str
    floor: int = 0


class Fixed(msgspec.Struct):
    """Arrays of fixed length."""

    place: Place
    pair: tuple[int, str] | None = None
    single: tuple[str] = ("",)


def test_an_array_of_fixed_length_is_read_by_the_place_of_its_items() -> None:
    for value in (Fixed(Place("a", 1)), Fixed(Place(""), (2, "")), Fixed(Place(" "), None, ("",))):
        for _ in range(3):
            assert CODEC.decode(CODEC.encode(value), Fixed) == value
    assert read("<pair>1</pair><place>a</place><pair>x</pair>", Fixed) == Fixed(Place("a"), (1, "x"))
    for wrong in ("", "<place/>", "<place>a</place><place>b</place>", "<place>a</place><place>1</place><place/>"):
        with pytest.raises(DecodeError, match=r"place|array"):
            read(wrong, Fixed)
    for wrong in ("<pair>1</pair>", "<pair>1</pair><pair>x</pair><pair>y</pair>"):
        with pytest.raises(DecodeError, match="pair"):
            read(f"<place>a</place>{wrong}", Fixed)


class Closed(msgspec.Struct, forbid_unknown_fields=True):
    """Takes no field that it does not know."""

    a: int = 0


def test_an_unknown_element_is_refused_where_the_type_forbids_it() -> None:
    assert read("<a>1</a>", Closed) == Closed(1)
    for unknown in ("<b/>", "<b>1</b><b>2</b>", "<b><a/></b>"):
        with pytest.raises(DecodeError, match="unknown field `b`"):
            read(f"<a>1</a>{unknown}", Closed)


class Blank(enum.Enum):
    """A blank text among others."""

    NONE = ""
    SOME = "some"


class Blanks(msgspec.Struct):
    """Fields whose defaults are not what an empty element says."""

    kind: Blank = Blank.SOME
    literal: Literal["", "a"] = "a"
    data: bytes = b"data"
    name: Annotated[str, msgspec.Meta(min_length=1)] | None = "name"
    size: int = 5


def test_an_empty_element_is_the_empty_text_before_it_is_the_default() -> None:
    for value in (Blanks(), Blanks(Blank.NONE, "", b"", None), Blanks(size=6)):
        for _ in range(3):
            assert CODEC.decode(CODEC.encode(value), Blanks) == value
    assert read("<size/>", Blanks) == Blanks()


def test_white_space_around_a_number_leaves_that_in_an_enumerations_text_alone() -> None:
    class Both(msgspec.Struct):
        kind: Spaced
        number: int

    assert read("<kind> a</kind><number> 1 </number>", Both) == Both(Spaced.PADDED, 1)
    assert read("<kind>a </kind><number> 1 </number>", Both) == Both(Spaced.PLAIN, 1)


# Document types.

DOCUMENT_TYPES = {
    "plain": "<!DOCTYPE xml>",
    "internal": "<!DOCTYPE xml [ ]>",
    "element": "<!DOCTYPE xml [<!ELEMENT xml ANY>]>",
    "attributes": '<!DOCTYPE xml [<!ATTLIST xml a CDATA "x">]>',
    "entity": '<!DOCTYPE xml [<!ENTITY a "b">]>',
    "parameter entity": '<!DOCTYPE xml [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]>',
    "notation": '<!DOCTYPE xml [<!NOTATION n SYSTEM "n">]>',
    "external subset": '<!DOCTYPE xml SYSTEM "http://127.0.0.1:1/x.dtd">',
    "public subset": '<!DOCTYPE xml PUBLIC "-//x//y//EN" "http://127.0.0.1:1/x.dtd">',
    "external entity": '<!DOCTYPE xml [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    "billion laughs": '<!DOCTYPE xml [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY e "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>',
    "quadratic": f'<!DOCTYPE xml [<!ENTITY e "{"x" * 10_000}">]>',
    "after a comment": "<!-- <xml/> --><?x y?>\n\n<!DOCTYPE xml>",
    "with space": "<!DOCTYPE\n\n xml  >",
    "in lines": "<!DOCTYPE xml\n[\n]>",
    "late": f"<!--{'x' * 70_000}--><!DOCTYPE xml>",
}
document_types = pytest.mark.parametrize("document_type", DOCUMENT_TYPES.values(), ids=DOCUMENT_TYPES)


@document_types
@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        (None, "utf-8"), (None, "utf-8-sig"), ("utf-8", "utf-8"), ("utf-8", "utf-8-sig"), ("us-ascii", "ascii"),
        ("iso-8859-1", "iso-8859-1"), ("windows-1251", "windows-1251"), ("koi8-r", "koi8-r"), (None, "utf-16"),
        ("utf-16", "utf-16"), (None, "utf-16-le"), (None, "utf-16-be"), ("utf-16", "utf-16-le"),
        ("utf-16", "utf-16-be"), ("utf-16be", "utf-16-be"),
    ],
)  # fmt: skip
def test_a_document_type_is_refused_in_every_encoding(document_type: str, declared: str | None, encoding: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    use = "&e;" if "ENTITY e" in document_type else "x"
    document = f"{declaration}{document_type}<xml><error>0</error><error_text>{use}</error_text></xml>"
    with pytest.raises(UnsafeXml):
        CODEC.decode(document.encode(encoding), ErrorEnvelope)


@pytest.mark.parametrize("encoding", ["cp037", "cp500", "cp1026"])
def test_a_document_type_behind_an_encoding_of_mainframes_does_not_get_through(encoding: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{encoding}"?>'
    rest = "<!DOCTYPE xml [<!ENTITY e 'boom'>]><xml><error_text>&e;</error_text></xml>"
    for document in (declaration.encode() + rest.encode(encoding), (declaration + rest).encode(encoding)):
        with pytest.raises(DecodeError):
            CODEC.decode(document, ErrorEnvelope)


@document_types
@pytest.mark.parametrize("type_", [object, Completed])
def test_a_document_type_is_refused_whatever_is_asked_for_and_however_the_rest_goes_on(
    document_type: str, type_: type
) -> None:
    for rest in ("<xml/>", "", "<html/>", "<xml>", "oops"):
        with pytest.raises(UnsafeXml):
            CODEC.decode((document_type + rest).encode(), type_)


@pytest.mark.parametrize(
    "document",
    [
        b"<!doctype xml><xml/>",
        b"<xml><!DOCTYPE xml></xml>",
        b"<xml/><!DOCTYPE xml>",
        b"<!ENTITY e 'x'><xml/>",
        b"<xml><!ENTITY e 'x'></xml>",
    ],
)
def test_a_document_type_out_of_place_is_refused_too(document: bytes) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(document, object)


@pytest.mark.parametrize(
    "inside",
    [
        "<text><![CDATA[<!DOCTYPE xml>]]></text>",
        "<text>&lt;!DOCTYPE xml&gt;</text>",
        "<text>&#60;!DOCTYPE xml></text>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_text_that_only_speaks_of_document_types_is_a_text(inside: str, encoding: str) -> None:
    document = f"<xml><!-- <!DOCTYPE xml> -->{inside}</xml>".encode(encoding)
    assert CODEC.decode(document, Everything) == Everything(text="<!DOCTYPE xml>")


def test_an_undeclared_entity_is_refused() -> None:
    with pytest.raises(DecodeError, match="entity"):
        read("<text>&secret;</text>")


def test_includes_and_stylesheets_are_left_alone() -> None:
    document = (
        b'<?xml-stylesheet href="http://127.0.0.1:1/x.xsl"?><xml xmlns:xi="http://www.w3.org/2001/XInclude">'
        b'<xi:include href="file:///etc/passwd" parse="text"/><text>ab</text></xml>'
    )
    assert CODEC.decode(document, Everything) == Everything(text="ab")


# Damage.


@xml_examples
def test_an_example_cut_short_anywhere_is_refused(golden: Example) -> None:
    body = golden.body.strip()
    for end in range(len(body)):
        with pytest.raises(DecodeError):
            CODEC.decode(body[:end], golden.type)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "windows-1251"])
def test_an_example_in_another_encoding_cut_short_anywhere_is_refused(encoding: str) -> None:
    text = example("segments_refresh.started", "xml").body.decode().strip()
    declaration = '<?xml version="1.0" encoding="windows-1251"?>' if encoding == "windows-1251" else ""
    body = (declaration + text).encode(encoding)
    assert CODEC.decode(body, Envelope[TaskStarted]) == example("segments_refresh.started", "xml").decode()
    for end in range(len(body)):
        with pytest.raises(DecodeError):
            CODEC.decode(body[:end], Envelope[TaskStarted])


@given(st.binary(max_size=200), st.sampled_from([object, ErrorEnvelope, Completed, Everything, DatabaseStatistics]))
def test_whatever_the_bytes_are_the_answer_is_a_value_or_a_decode_error(data: bytes, type_: type) -> None:
    for document in (data, b"<xml>" + data + b"</xml>", b"\xff\xfe" + data, b'<?xml version="1.0"' + data):
        try:
            CODEC.decode(document, type_)
        except DecodeError:
            continue


@given(data=st.data())
@settings(max_examples=200)
def test_a_damaged_example_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    golden = data.draw(st.sampled_from(XML_EXAMPLES))
    body = bytearray(golden.body)
    pieces = st.binary(max_size=3) | st.sampled_from([b"<", b">", b"/", b"&", b"<!--", b"]]>", b"<!DOCTYPE x>", b"<?"])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(pieces)
    try:
        CODEC.decode(bytes(body), golden.type)
    except DecodeError:
        return


@given(
    st.recursive(
        st.sampled_from(["", "0", "-1", "true", "email", "\n", "<!--x-->", "<![CDATA[x]]>", "&amp;"]),
        lambda inner: st.lists(
            st.tuples(st.sampled_from(["data", "error", "result", "channels", "channel", "status", "updated"]), inner),
            max_size=3,
        ).map(lambda children: "".join(f"<{name}>{text}</{name}>" for name, text in children)),
        max_leaves=15,
    ),
    st.sampled_from([ErrorEnvelope, Completed, Everything, DatabaseStatistics, SegmentsRefreshCounters]),
)
def test_whatever_the_elements_are_the_answer_is_a_value_or_a_decode_error(inside: str, type_: type) -> None:
    try:
        read(inside, type_)
    except DecodeError:
        return


@pytest.mark.parametrize("kind", ["plain", "entity", "external subset"])
@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_the_scan_of_the_bytes_alone_would_keep_a_document_type_from_the_parser(kind: str, charset: str) -> None:
    assert xml_read._is_suspect(f"{DOCUMENT_TYPES[kind]}<xml/>".encode(charset))


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_the_parser_alone_would_refuse_a_document_type(charset: str) -> None:
    parser = xml_read._guarded_parser()()
    with pytest.raises(UnsafeXml):
        parser.feed("<!DOCTYPE xml><xml/>".encode(charset))


class Channel(str, enum.Enum):
    EMAIL = "an_email"


@pytest.mark.parametrize("codec", [JsonCodec(), CODEC], ids=["json", "xml"])
def test_a_key_out_of_an_enumeration_is_its_text_whatever_was_written_before(codec: Any) -> None:
    first = codec.encode({"counts": {Channel.EMAIL: 1}})
    assert codec.decode(first, dict[str, dict[str, int]]) == {"counts": {"an_email": 1}}
    assert codec.encode({"counts": {"an_email": 1}}) == codec.encode({"counts": {Channel.EMAIL: 1}}) == first
