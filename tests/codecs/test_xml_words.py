"""Pretty-printed XML: words that the library acts upon lose the white space around them, free texts keep theirs."""

from __future__ import annotations

import enum
import re
from datetime import datetime, timezone
from typing import Annotated, Literal

import msgspec
import pytest

from altcraft import ChannelStatistics, DatabaseStatistics, DecodeError, TaskStatus
from altcraft.codecs.xml import XmlCodec
from altcraft.schema import Envelope, TaskStarted
from altcraft.schema.fields import Word
from golden import EXAMPLES, Example

XML_EXAMPLES = [known for known in EXAMPLES if known.format == "xml"]


class State(enum.Enum):
    """An enumeration that a user declares."""

    DONE = "done"
    IN_WORK = "in work"


class Circle(msgspec.Struct, tag_field="kind", tag="circle"):
    """One of two objects."""

    radius: int


class Square(msgspec.Struct, tag_field="kind", tag="square"):
    """The other."""

    side: int


class Words(msgspec.Struct):
    """Words wherever they may stand, and texts beside them."""

    word: Word = "unset"
    maybe: Word | None = "unset"
    filled: Annotated[Word, msgspec.Meta(min_length=1)] | None = "unset"
    words: list[Word] = []
    by_name: dict[str, Word] = {}
    state: State = State.DONE
    level: Literal["high", "low"] = "low"
    shape: Circle | Square | None = None
    at: datetime | None = None
    text: str = "unset"
    texts: list[str] = []


def pretty(document: bytes) -> bytes:
    """The document with every text and every tag on a line of its own."""
    return re.sub(rb"\s*(<[^>]*>)\s*", rb"\n  \1\n  ", document).strip() + b"\n"


@pytest.fixture(params=[False, True], ids=["general reader", "fast path"])
def codec(request: pytest.FixtureRequest) -> XmlCodec:
    return XmlCodec(fast_path=request.param)


def test_the_words_of_the_platforms_replies_are_stripped(codec: XmlCodec) -> None:
    started = b"<xml><data><task_id>\n  an-id\n </task_id></data><error>0</error></xml>"
    assert codec.decode(started, Envelope[TaskStarted]) == Envelope(data=TaskStarted("an-id"), error=0)
    status = b"<xml><data><status>\n\tcompleted\r\n</status><progress> 100 </progress></data><error>0</error></xml>"
    assert codec.decode(status, Envelope[TaskStatus[object]]).data == TaskStatus("completed", 100)
    channel = b"<xml><channel> email </channel><status>\n <all>\n 1 \n</all>\n</status></xml>"
    assert codec.decode(channel, ChannelStatistics) == ChannelStatistics("email", {"all": 1})
    counted = b"<xml><last_count_time>\n counted at 2024-04-17T21:36:01Z in 82.746959ms\n</last_count_time>\
        <refresh_task_id>\n </refresh_task_id></xml>"
    read = codec.decode(counted, DatabaseStatistics)
    assert read.counted_at == datetime(2024, 4, 17, 21, 36, 1, tzinfo=timezone.utc)
    assert read.refresh_task_id == ""


@pytest.mark.parametrize("golden", XML_EXAMPLES, ids=lambda golden: golden.name)
def test_every_example_reads_the_same_when_it_is_pretty_printed(golden: Example, codec: XmlCodec) -> None:
    def bare(value: object) -> object:
        """Without the white space around free texts, which pretty printing has changed."""
        if isinstance(value, dict):
            return {name: bare(item) for name, item in value.items()}
        if isinstance(value, list):
            return [bare(item) for item in value]
        return value.strip() if isinstance(value, str) else value

    for _ in range(4):
        expected = codec.decode(golden.body, golden.type)
        read = codec.decode(pretty(golden.body), golden.type)
        assert bare(msgspec.to_builtins(read)) == bare(msgspec.to_builtins(expected))


def test_a_word_is_stripped_wherever_it_stands(codec: XmlCodec) -> None:
    document = (
        b"<xml><word> in  work </word><maybe>\n a\n</maybe><filled>\tb</filled><words> c </words><words>d\n</words>"
        b"<by_name><x>\n e\n</x></by_name><state>\n in work\n</state><level> high </level>"
        b"<shape><kind>\n square\n</kind><side> 2 </side></shape><at>\n2024-04-17T21:36:01Z\n</at></xml>"
    )
    for _ in range(4):
        assert codec.decode(document, Words) == Words(
            "in  work", "a", "b", ["c", "d"], {"x": "e"}, State.IN_WORK, "high", Square(2),
            datetime(2024, 4, 17, 21, 36, 1, tzinfo=timezone.utc),
        )  # fmt: skip


def test_a_word_of_white_space_is_an_empty_element(codec: XmlCodec) -> None:
    for inside, expected in [
        (b"<word> \n</word><maybe> </maybe>", Words(word="", maybe="")),
        (b"<filled>\n</filled>", Words(filled=None)),
        (b"<words> </words>", Words(words=[])),
        (b"<words> </words><words>a</words>", Words(words=["", "a"])),
        (b"<by_name><x> </x></by_name>", Words(by_name={"x": ""})),
    ]:
        for _ in range(4):
            assert codec.decode(b"<xml>" + inside + b"</xml>", Words) == expected


def test_a_word_keeps_white_space_that_is_not_xmls(codec: XmlCodec) -> None:
    for _ in range(4):
        assert codec.decode("<xml><word>\u00a0a\u2028</word></xml>".encode(), Words).word == "\u00a0a\u2028"


def test_a_free_text_keeps_its_white_space(codec: XmlCodec) -> None:
    document = b"<xml><text>\n  two words \n</text><texts> a</texts><texts> </texts></xml>"
    for _ in range(4):
        assert codec.decode(document, Words) == Words(text="\n  two words \n", texts=[" a", " "])


def test_an_element_inside_a_word_is_refused(codec: XmlCodec) -> None:
    with pytest.raises(DecodeError, match="word"):
        codec.decode(b"<xml><word><b>a</b></word></xml>", Words)


def test_the_fast_path_learns_words() -> None:
    codec = XmlCodec()
    plain = b"<xml><word>%b</word><words>a</words></xml>"
    for text in (b"a", b"b", b"in work", b"c"):
        assert codec.decode(plain % text, Words) == Words(text.decode(), words=["a"])
    assert codec.decode(plain % b" padded ", Words) == Words("padded", words=["a"])
    assert codec.decode(plain % b" ", Words) == Words("", words=["a"])
