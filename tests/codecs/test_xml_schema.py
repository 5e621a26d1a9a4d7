"""The schema decides what XML leaves open: arrays, empty elements, numbers, objects with tags."""

from __future__ import annotations

import enum
from datetime import datetime, timezone
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import pytest

from altcraft import (
    ChannelStatistics,
    DecodeError,
    SegmentStatistics,
)
from altcraft.codecs.xml import XmlCodec
from altcraft.schema import (
    Envelope,
    ErrorEnvelope,
    TaskStarted,
)
from every_field import CODEC, Everything, read


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
    """A field for each liberty that msgspec takes with texts."""

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


@pytest.mark.parametrize("fast_path", [False, True])
@pytest.mark.parametrize(("field", "text", "value"), LIBERTIES)
def test_every_liberty_of_msgspec_with_texts_is_decided(
    field: str, text: str, value: object, *, fast_path: bool
) -> None:
    """As `value`, None stands for a refusal and "None" for None."""
    codec = XmlCodec(fast_path=fast_path)
    for _ in range(4):
        codec.decode(f"<xml><{field}>1</{field}></xml>".encode(), Decided)
    document = f"<xml><{field}>{text}</{field}></xml>".encode()
    if value is None:
        with pytest.raises(DecodeError):
            codec.decode(document, Decided)
    else:
        assert getattr(codec.decode(document, Decided), field) == (None if value == "None" else value)


def test_an_empty_element_is_refused_for_a_required_moment() -> None:
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


def test_white_space_that_belongs_to_an_enumerations_text_is_kept() -> None:
    for kind in Spaced:
        assert CODEC.decode(CODEC.encode(Holder(kind)), Holder) == Holder(kind)
    assert read("<kind>a\n</kind>", Holder) == Holder(Spaced.PLAIN)


def test_data_that_is_an_array_is_read_with_any_number_of_items() -> None:
    entry = "<data><channel>email</channel><status><all>1</all></status></data>"
    for count in (1, 2, 3):
        envelope = read(entry * count + "<error>0</error>", Envelope[list[ChannelStatistics]])
        assert envelope == Envelope(data=[ChannelStatistics("email", {"all": 1})] * count, error=0)
    assert read("<data/><error>0</error>", Envelope[list[ChannelStatistics]]) == Envelope(data=[], error=0)


def test_empty_data_of_an_object_is_absent() -> None:
    assert read("<data/><error>401</error>", Envelope[TaskStarted]) == Envelope(error=401)


def test_other_elements_may_stand_between_the_items_of_an_array() -> None:
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


class Table(msgspec.Struct):
    """Arrays in arrays: XML as the platform writes it has no form for them."""

    rows: list[list[int]]


class Pair(msgspec.Struct, array_like=True):
    """Written as an array."""

    a: int


@pytest.mark.parametrize("type_", [Table, list[int], Pair, Envelope[list[Pair]], dict[str, list[list[int]]]])
def test_a_type_without_a_form_in_xml_is_a_type_error(type_: type) -> None:
    with pytest.raises(TypeError, match="form"):
        CODEC.decode(b"<xml/>", type_)


class Text(msgspec.Struct, tag=1, tag_field="kind"):
    """The first of three objects whose fields have the same names and different types."""

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


@pytest.mark.parametrize("fast_path", [True, False])
def test_the_tag_of_an_object_decides_what_its_fields_are(*, fast_path: bool) -> None:
    codec = XmlCodec(fast_path=fast_path)
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
    """Refuses unknown fields."""

    a: int = 0


def test_an_unknown_element_is_refused_where_the_type_forbids_it() -> None:
    assert read("<a>1</a>", Closed) == Closed(1)
    for unknown in ("<b/>", "<b>1</b><b>2</b>", "<b><a/></b>"):
        with pytest.raises(DecodeError, match="unknown field `b`"):
            read(f"<a>1</a>{unknown}", Closed)


class Blank(enum.Enum):
    """An enumeration with an empty text."""

    NONE = ""
    SOME = "some"


class Blanks(msgspec.Struct):
    """Fields whose defaults differ from what an empty element means."""

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


def test_white_space_around_a_number_changes_nothing_for_an_enumerations_text() -> None:
    class Both(msgspec.Struct):
        kind: Spaced
        number: int

    assert read("<kind> a</kind><number> 1 </number>", Both) == Both(Spaced.PADDED, 1)
    assert read("<kind>a </kind><number> 1 </number>", Both) == Both(Spaced.PLAIN, 1)


class Anything(msgspec.Struct):
    """A struct with a field that takes anything."""

    id: int
    data: object = None


@pytest.mark.parametrize("type_", [Anything, msgspec.defstruct("AnyField", [("id", int), ("data", Any, None)])])
@pytest.mark.parametrize(
    ("elements", "data"),
    [
        ("", None),
        ("<data/>", ""),
        ("<data>5</data>", "5"),
        ("<data>5</data><data>6</data>", ["5", "6"]),
        ("<data><a>1</a></data><data/>", [{"a": "1"}, ""]),
    ],
)
def test_a_field_that_takes_anything_takes_several_elements(type_: Any, elements: str, data: object) -> None:
    value = XmlCodec().decode(f"<xml><id>1</id>{elements}</xml>".encode(), type_)
    assert (value.id, value.data) == (1, data)


class Mixed(msgspec.Struct):
    """A number, or a mapping of numbers."""

    value: float | dict[str, float] = 0.0


def test_nan_and_the_infinities_are_refused_where_a_mapping_may_stand_too() -> None:
    assert read("<value>1.5</value>", Mixed) == Mixed(1.5)
    assert read("<value><a>2</a></value>", Mixed) == Mixed({"a": 2.0})
    for number in ("nan", "-inf", " Infinity "):
        for inside in (f"<value>{number}</value>", f"<value><a>{number}</a></value>"):
            with pytest.raises(DecodeError):
                read(inside, Mixed)
