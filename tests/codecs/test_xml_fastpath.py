"""The fast path: it reads what it has learnt as the general reader does, and leaves everything else to that."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from altcraft import DecodeError, UnsafeXml
from altcraft.codecs.xml import XmlCodec
from altcraft.codecs.xml.fastpath import FORMS, PATIENCE, SAMPLES, FastPath
from altcraft.schema import ChannelStatistics, Envelope, ErrorEnvelope, TaskStarted
from golden import EXAMPLES, Example, example

XML_EXAMPLES = [known for known in EXAMPLES if known.format == "xml"]
xml_examples = pytest.mark.parametrize("golden", XML_EXAMPLES, ids=lambda golden: golden.name)
GENERAL = XmlCodec(fast_path=False)


class Leaves(msgspec.Struct):
    """Leaves of every kind, arrays, mappings and objects."""

    text: str = "unset"
    number: int = -1
    ratio: float | None = None
    flag: bool | None = None
    moment: datetime | None = None
    texts: list[str] = []
    numbers: list[int] = []
    counts: dict[str, int | None] = {}
    ratios: dict[str, float] = {}
    inner: Leaves | None = None
    items: list[Leaves] = []


WRITTEN = (
    b"<xml><text>a</text><number>5</number><ratio>1.5</ratio><flag>true</flag><moment>2024-04-17T21:36:01.449Z</moment>"
    b"<texts>a</texts><texts>b</texts><numbers>1</numbers><numbers>22</numbers>"
    b"<counts><all>1</all><none>2</none></counts><ratios><x>0.5</x></ratios><inner><text>in</text></inner>"
    b"<items><number>1</number><texts>t</texts></items><items><number>2</number></items><later>7</later></xml>"
)


def taught(*documents: bytes, type_: type) -> XmlCodec:
    """A codec that has read each document twice."""
    codec = XmlCodec()
    for document in documents:
        for _ in range(2):
            codec.decode(document, type_)
    return codec


def fast_path(codec: XmlCodec, type_: type) -> FastPath[Any]:
    """The codec's fast path for a type."""
    reader = codec.reader(type_)
    assert isinstance(reader, FastPath)
    return reader


def took_the_fast_path(codec: XmlCodec, document: bytes, type_: type) -> bool:
    """Whether the codec read the document with the fast path. The outcome must be that of the general reader."""
    before = fast_path(codec, type_).hits
    outcomes = []
    for one in (codec, GENERAL):
        try:
            outcomes.append(repr(one.decode(document, type_)))
        except DecodeError as error:
            outcomes.append(repr(error))
    assert outcomes[0] == outcomes[1]
    return fast_path(codec, type_).hits > before


# What takes the fast path.


@xml_examples
def test_every_example_takes_it_from_the_third_time_on(golden: Example) -> None:
    codec = XmlCodec()
    taken = [took_the_fast_path(codec, golden.body, golden.type) for _ in range(10)]
    assert taken == [False, False] + [True] * 8


def test_one_codec_learns_all_the_examples() -> None:
    codec = XmlCodec()
    for golden in XML_EXAMPLES * 3:
        codec.decode(golden.body, golden.type)
    assert all(took_the_fast_path(codec, golden.body, golden.type) for golden in XML_EXAMPLES)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.replace(b"<text>a<", "<text>Привет 😀<".encode()),
        lambda d: d.replace(b"<text>a<", b"<text><"),
        lambda d: d.replace(b"<number>5<", b"<number>12345678901234567890<"),
        lambda d: d.replace(b"<ratio>1.5<", b"<ratio>-1e-5<"),
        lambda d: d.replace(b"true", b"False"),
        lambda d: d.replace(b"<items><number>2</number></items>", b"<items><number>2</number></items>" * 200),
        lambda d: d.replace(b"<texts>a</texts>", b""),
        lambda d: d.replace(b"<texts>a</texts>", b"<texts></texts>"),
        lambda d: d.replace(b"<later>7<", b"<later><"),
        lambda d: d.replace(b"<later>7</later>", b"<later/>"),
        lambda d: b'<?xml version="1.0" encoding="utf-8"?>\n' + d + b"\r\n",
    ],
)
def test_other_values_in_the_same_form_take_it_too(change: Callable[[bytes], bytes]) -> None:
    codec = taught(WRITTEN, type_=Leaves)
    document = change(WRITTEN)
    assert document != WRITTEN
    assert took_the_fast_path(codec, document, Leaves)


def test_white_space_is_part_of_the_form() -> None:
    indented = re.sub(rb"><(?!/)", b">\n  <", WRITTEN)
    assert not took_the_fast_path(taught(WRITTEN, type_=Leaves), indented, Leaves)
    codec = taught(WRITTEN, indented, type_=Leaves)
    assert took_the_fast_path(codec, indented, Leaves)
    assert took_the_fast_path(codec, WRITTEN, Leaves)


def test_entries_with_different_counters_are_learnt_as_different_forms() -> None:
    entry = b"<data><channel>%b</channel><status>%b</status></data>"
    email = entry % (b"email", b"<all>1</all><subscribed>2</subscribed>")
    push = entry % (b"push", b"<subscribed_sendable>3</subscribed_sendable>")
    type_ = Envelope[list[ChannelStatistics]]
    codec = taught(b"<xml>" + email + push + b"<error>0</error></xml>", type_=type_)
    for entries in (email, push, push + email, email * 3 + push * 2 + email):
        assert took_the_fast_path(codec, b"<xml>" + entries + b"<error>0</error></xml>", type_)


# What does not take it.


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.replace(b"<text>", b'<text a="1">'),
        lambda d: d.replace(b"<text>", b"<text >"),
        lambda d: d.replace(b"</text>", b"</text >"),
        lambda d: d.replace(b"<xml>", b"<xml xmlns='u'>"),
        lambda d: d.replace(b"<number>", b"<!-- --><number>"),
        lambda d: d.replace(b"<text>a", b"<text><!-- -->a"),
        lambda d: d.replace(b"<text>a", b"<text><![CDATA[a]]>"),
        lambda d: d.replace(b"<text>a", b"<text><?p i?>a"),
        lambda d: d.replace(b"<text>a", b"<text>&amp;"),
        lambda d: d.replace(b"<text>a", b"<text>&#97;"),
        lambda d: d.replace(b"<text>a", b"<text>&unknown;"),
        lambda d: d.replace(b"<text>a", b"<text>a\r\nb"),
        lambda d: d.replace(b"<text>a", b"<text>a\nb"),
        lambda d: d.replace(b"<text>a", b'<text>"'),
        lambda d: d.replace(b"<text>a", b"<text>\\u0041"),
        lambda d: d.replace(b"<text>a", b"<text>]]>"),
        lambda d: d.replace(b"<text>a", b"<text>>"),
        lambda d: d.replace(b"<text>a", b"<text>\x01"),
        lambda d: d.replace(b"<text>a", b"<text>\x00"),
        lambda d: d.replace(b"<text>a", b"<text>\xff"),
        lambda d: d.replace(b"<text>a", b"<text>\xed\xa0\x80"),
        lambda d: d.replace(b"<text>a", "<text>！".encode()),
        lambda d: d.replace(b"<text>a", b"<text>\xc0\x80"),
        lambda d: d.replace(b"<text>a", b"<text>\xd0"),
        lambda d: d.replace(b"<text>a", b"<text>\xef\xbf\xbe"),
        lambda d: d.replace(b"<text>a", b"<text>\xef\xbf\xbf"),
        lambda d: d.replace(b"<later>7", b"<later>\xff"),
        lambda d: d.replace(b"<later>7", b"<later>\xef\xbf\xbe"),
        lambda d: d.replace(b"<number>5", b"<number> 5"),
        lambda d: d.replace(b"<number>5", b"<number>-5"),
        lambda d: d.replace(b"<number>5", b"<number>1e3"),
        lambda d: d.replace(b"<number>5", b"<number>12.0"),
        lambda d: d.replace(b"<number>5", b"<number>007"),
        lambda d: d.replace(b"<number>5", b"<number>" + b"9" * 5000),
        lambda d: d.replace(b"<number>5", b"<number>five"),
        lambda d: d.replace(b"<number>5", b"<number>"),
        lambda d: d.replace(b"<ratio>1.5", b"<ratio>nan"),
        lambda d: d.replace(b"<ratio>1.5", b"<ratio>Infinity"),
        lambda d: d.replace(b"<x>0.5", b"<x>inf"),
        lambda d: d.replace(b"<moment>2024-04-17T", b"<moment>2024-04-17 "),
        lambda d: d.replace(b"<text>a</text>", b""),
        lambda d: d.replace(b"<text>a</text>", b"<text>a</text><text>a</text>"),
        lambda d: d.replace(b"<text>a</text><number>5</number>", b"<number>5</number><text>a</text>"),
        lambda d: d.replace(b"<texts>a</texts><texts>b</texts>", b""),
        lambda d: d.replace(b"<numbers>22</numbers>", b"<text>x</text><numbers>22</numbers>"),
        lambda d: d.replace(b"<later>", b"<much_later/><later>"),
        lambda d: d.replace(b"</xml>", b""),
        lambda d: d + b"<xml/>",
        lambda d: d + b"x",
        lambda d: d + b"<!-- -->",
        lambda d: b"\xef\xbb\xbf" + d,
        lambda d: b'\n<?xml version="1.0"?>' + d,
        lambda d: b'<?xml version="1.0" encoding="iso-8859-1"?>' + d,
        lambda d: d.decode().encode("utf-16"),
        lambda d: d.decode().encode("utf-16-le"),
        lambda d: d[: len(d) // 2],
        lambda d: b"",
    ],
)
def test_a_document_of_another_form_is_read_by_the_general_reader(change: Callable[[bytes], bytes]) -> None:
    codec = taught(WRITTEN, type_=Leaves)
    document = change(WRITTEN)
    assert document != WRITTEN
    assert not took_the_fast_path(codec, document, Leaves)
    assert took_the_fast_path(codec, WRITTEN, Leaves)


@pytest.mark.parametrize("where", [0, len("<xml>"), WRITTEN.index(b"</text>"), len(WRITTEN)])
def test_a_document_type_never_takes_it(where: int) -> None:
    codec = taught(WRITTEN, type_=Leaves)
    with pytest.raises(DecodeError) as caught:
        codec.decode(WRITTEN[:where] + b"<!DOCTYPE xml [<!ENTITY a 'b'>]>" + WRITTEN[where:], Leaves)
    assert isinstance(caught.value, UnsafeXml) == (where == 0)
    assert fast_path(codec, Leaves).hits == 0


@pytest.mark.parametrize("lone", [b"<texts/>", b"<texts></texts>"])
def test_an_empty_element_alone_is_an_empty_array_for_both_readers(lone: bytes) -> None:
    two = b"<xml><texts/><texts/></xml>"
    codec = taught(two, type_=Leaves)
    assert codec.decode(two, Leaves).texts == ["", ""]
    assert took_the_fast_path(codec, b"<xml>" + lone + b"</xml>", Leaves)
    assert codec.decode(b"<xml>" + lone + b"</xml>", Leaves).texts == []


# What it learns, and where that ends.


def test_the_first_document_is_not_studied() -> None:
    codec = XmlCodec()
    codec.decode(WRITTEN, Leaves)
    assert (fast_path(codec, Leaves).hits, fast_path(codec, Leaves).misses) == (0, 1)
    assert not took_the_fast_path(codec, WRITTEN, Leaves)
    assert took_the_fast_path(codec, WRITTEN, Leaves)
    assert (fast_path(codec, Leaves).hits, fast_path(codec, Leaves).misses) == (1, 2)


def test_a_refused_document_is_not_studied() -> None:
    codec = XmlCodec()
    for _ in range(5):
        with pytest.raises(DecodeError):
            codec.decode(b"<xml><number>five</number></xml>", Leaves)
    assert codec.decode(b"<xml><number>5</number></xml>", Leaves).number == 5
    assert fast_path(codec, Leaves).hits == 0


def test_as_many_orders_of_elements_are_learnt_as_forms_are_kept() -> None:
    fields = [b"<text>a</text>", b"<number>5</number>", b"<ratio>1</ratio>", b"<flag>true</flag>"]
    orders = [b"<xml>" + b"".join(random.Random(seed).sample(fields, 4)) + b"</xml>" for seed in range(FORMS)]
    codec = taught(*orders, type_=Leaves)
    assert all(took_the_fast_path(codec, document, Leaves) for document in orders)


def test_a_server_without_a_fixed_order_costs_few_samples_and_later_few_attempts() -> None:
    codec = XmlCodec()
    documents = [b"<xml>" + b"<x%d/>" % number + b"<number>5</number></xml>" for number in range(500)]
    for document in documents:
        assert codec.decode(document, Leaves) == Leaves(number=5)
    reader = fast_path(codec, Leaves)
    assert reader._forms.number == FORMS
    assert 0 <= reader._samples < SAMPLES
    assert reader._missed == 500 > PATIENCE
    # It is still tried now and then.
    assert any(took_the_fast_path(codec, documents[1], Leaves) for _ in range(PATIENCE))


@pytest.mark.parametrize(
    "document",
    [
        b"<xml>" + b"".join(b"<x%d/>" % number for number in range(20_000)) + b"</xml>",
        b"<xml><counts>" + b"".join(b"<x%d>1</x%d>" % (number, number) for number in range(5_000)) + b"</counts></xml>",
    ],
)
def test_a_form_of_great_length_is_not_learnt(document: bytes) -> None:
    codec = taught(document, type_=Leaves)
    assert not took_the_fast_path(codec, document, Leaves)


class Folder(msgspec.Struct):
    """Arrays in arrays, of any depth."""

    name: str
    folders: list[Folder] = []
    last: int = 0


def folders(depth: int, name: str, sibling: str = "", last: str = "<last>1</last>") -> str:
    """The inside of a folder with folders in it."""
    inner = f"<folders>{folders(depth - 1, name, sibling, last)}</folders>{sibling}" if depth else ""
    return f"<name>{name}</name>{inner}{last if not depth else '<last>1</last>'}"


def test_the_work_for_nested_arrays_whose_forms_begin_alike_does_not_double_on_every_level() -> None:
    codec = XmlCodec()
    sibling = "<folders><name></name><folders><name></name><last>1</last></folders><last>1</last></folders>"
    for sample in [folders(20, "x", sibling), folders(20, "")] * 4:
        codec.decode(f"<xml>{sample}</xml>".encode(), Folder)
    assert took_the_fast_path(codec, f"<xml>{folders(20, 'x')}</xml>".encode(), Folder)
    # On every level all forms match, down to the innermost one, where none does.
    broken = "<last a=''>1</last>"
    document = f"<xml>{folders(20, 'x', last=broken)}</xml>".encode()
    began = time.process_time()
    assert not took_the_fast_path(codec, document, Folder)
    assert time.process_time() - began < 1.5  # seconds; many more if the work doubled on every level


class Drawer(msgspec.Struct, tag="drawer"):
    """One of two objects that look alike until their tag comes."""

    inside: list[Drawer | Chest] = []
    last: int = 0


class Chest(msgspec.Struct, tag="chest"):
    """The other."""

    inside: list[Drawer | Chest] = []
    last: int = 0


def furniture(kinds: str, last: str = "<last>1</last>") -> str:
    """Objects nested in each other, each with its tag at the end; `kinds` has a letter for each object."""
    inner = f"<inside>{furniture(kinds[1:], last)}</inside><last>1</last>" if kinds[1:] else last
    return f"{inner}<type>{'drawer' if kinds[0] == 'd' else 'chest'}</type>"


def test_the_work_for_nested_objects_with_the_tag_at_their_end_does_not_double_on_every_level() -> None:
    codec = XmlCodec()
    kind: Any = Drawer | Chest
    for kinds in ("d" * 20, "c" * 20, "dc" * 10, "cd" * 10):
        for _ in range(3):
            codec.decode(f"<xml>{furniture(kinds)}</xml>".encode(), kind)
    broken = "<last a=''>1</last>"
    document = f"<xml>{furniture('dc' * 10, broken)}</xml>".encode()
    began = time.process_time()
    assert codec.decode(document, kind).last == 1
    assert time.process_time() - began < 1.5  # seconds; many more if the work doubled on every level


def test_objects_with_the_tag_at_their_beginning_take_it() -> None:
    document = b"<xml><type>drawer</type><inside><type>chest</type><last>2</last></inside><last>1</last></xml>"
    kind: Any = Drawer | Chest
    assert took_the_fast_path(taught(document, document, type_=kind), document, kind)


def test_a_type_without_fixed_fields_is_left_to_the_general_reader() -> None:
    document = b"<xml><any><a>1</a></any></xml>"
    assert not took_the_fast_path(taught(document, document, type_=dict), document, dict)


def test_it_can_be_switched_off() -> None:
    codec = XmlCodec(fast_path=False)
    assert not isinstance(codec.reader(Leaves), FastPath)
    for _ in range(4):
        assert codec.decode(WRITTEN, Leaves) == GENERAL.decode(WRITTEN, Leaves)


def test_a_refusal_takes_it_read_as_either_type() -> None:
    body = example("refusal", "xml").body
    for type_ in (ErrorEnvelope, Envelope[TaskStarted]):
        assert took_the_fast_path(taught(body, type_=type_), body, type_)


def test_threads_may_teach_it_different_orders_at_once() -> None:
    codec = XmlCodec()
    fields = [b"<text>a</text>", b"<number>5</number>", b"<items><number>1</number></items>", b"<flag>true</flag>"]
    wrong: list[bytes] = []

    def work(seed: int) -> None:
        nonlocal wrong
        document = b"<xml>" + b"".join(random.Random(seed).sample(fields, 4)) + b"</xml>"
        for _ in range(200):
            value = codec.decode(document, Leaves)
            if value != Leaves("a", 5, flag=True, items=[Leaves(number=1)]):
                wrong += [document]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert fast_path(codec, Leaves).hits > 0


# Mutants. `python -m tests.fuzz --codec fastpath` makes many more.

SPLINTERS = [
    b"", b" ", b"\n", b"\r", b"0", b"1", b"-1", b"007", b"1e3", b"12.0", b"nan", b"inf", b"null", b"true", b'"', b"\\",
    b" 12 ", b"9" * 40, b"2024-04-17T21:36:01Z", b"2024-04-17 21:36:01", b"1713389761", b"\xd0\x9f", b"\xef\xbf\xbe",
    b"\xff", b"\x00", b"\x1f", b"\x7f", b"\xc2\xa0", b"&amp;", b"&#49;", b">", b"]]>", b"<![CDATA[1]]>", b"<!--c-->",
    b"<a/>", b"<a>1</a>", b"</a>", b"<", b"%b", b"{}", b"\xef\xbb\xbf", b"<!DOCTYPE xml>", b"/",
]  # fmt: skip
ELEMENT = re.compile(rb"<([\w.-]+)>([^<]*)</\1>")


def mutant(dice: random.Random, document: bytes) -> bytes:
    """The document with one change: to a leaf, to a whole element, or to any byte."""
    leaf, other = (dice.choice(list(ELEMENT.finditer(document))) for _ in range(2))
    at = dice.randrange(len(document))
    changed = {
        0: (leaf.start(2), leaf.end(2), dice.choice(SPLINTERS)),
        1: (leaf.start(2), leaf.start(2), dice.choice(SPLINTERS)),
        2: (leaf.start(), leaf.end(), b""),
        3: (leaf.end(), leaf.end(), other[0]),
        4: (leaf.start(), leaf.end(), b"<%b/>" % leaf[1]),
        5: (leaf.start(), leaf.end(), b"<%b>%b</%b>" % (other[1], leaf[2], other[1])),
        6: (at, at + dice.randrange(3), dice.choice(SPLINTERS)),
        7: (at, at + 1, bytes([dice.randrange(256)])),
    }[dice.randrange(8)]
    return document[: changed[0]] + changed[2] + document[changed[1] :]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_both_readers_read_mutants_alike(seed: int) -> None:
    dice = random.Random(seed)
    originals = [(WRITTEN, Leaves), *((golden.body, golden.type) for golden in XML_EXAMPLES)]
    codec = XmlCodec()
    for document, type_ in originals * 3:
        codec.decode(document, type_)
    taken = 0
    for _ in range(2_000):
        document, type_ = dice.choice(originals)
        taken += took_the_fast_path(codec, mutant(dice, document), type_)
        codec.decode(document, type_)  # so that it is not given up after many misses in a row
    assert taken > 150


@pytest.mark.slow
def test_the_benchmark_shows_that_every_golden_document_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2]))
    from tests.benchmarks.codecs.fastpath import fast_path_rows, fast_path_table

    rows = fast_path_rows(counting=False)
    assert len(rows) > 10
    assert all(row.share > 0.99 for row in rows)
    assert all(row.document in fast_path_table(rows) for row in rows)
