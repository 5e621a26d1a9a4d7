"""The resume token: one word that leads back to a task, in any process. It holds no secret and no address.

A token of version 2 is `at2_` and the digits of a number in base 62. The number is a checksum and a MessagePack array
without field names. So the token survives shells, queues and double-clicks, and a mangled one is recognized. It holds
the time of the last poll, in microseconds since 1970. Its other times count back from there. They are on the wall
clock, since two hosts share no monotonic one. Page: docs/how-to/job-queue.md.
"""

from __future__ import annotations

import re
from binascii import crc32
from math import inf
from typing import Any

import msgspec
from msgspec import Struct

from altcraft.errors import BadResumeToken
from altcraft.tasks.polling import History

__all__ = ["Parked", "ResumeToken", "is_traceparent", "parse_resume_token"]

NOTE_LENGTH = 200
"""Characters that a caller's note may have."""
KEY_LENGTH = 100
"""Characters that the key of a submission may have."""

_PREFIX = "at2_"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_LONGEST = 8192  # characters of a token
_LONGEST_ID = 72  # characters of a task id; a token is longer than that
_SHORTEST = 56  # bytes of content, so that what is left of a token cut short is still no task id
_LONGEST_REQUEST = 2048  # bytes of a request; a longer one stays behind
_UNIT = 1_000_000  # times in a token are in microseconds
_TEN_YEARS = 3.2e8  # seconds: no time in a token is further from its saving
# What built-in paths are written as. Only append.
_PATHS = ("segments/refresh_counters", "databases/refresh_counters", "resources/refresh_counters", "tasks/status")
_STATES = ("idle", "sleeping", "backing_off")


class Parked(Struct, frozen=True):
    """Where a task's machine stands, so that another one goes on from there. Times are seconds on one clock.

    `due` is when the machine wants to be woken; `failures` counts the failed exchanges in a row, the first of which was
    at `failing_since`. `late_at` is when an awaited hint is late, 0 for not now, None for a task without feedback.
    """

    state: str
    due: float
    history: History
    failures: int = 0
    failing_since: float = 0.0
    began: float = -inf
    deadline: float = inf
    late_at: float | None = None

    def shifted(self, seconds: float) -> Parked:
        """The same on a clock that is ahead by so many seconds."""
        history = msgspec.structs.replace(
            self.history,
            started=self.history.started + seconds,
            at=self.history.at + seconds,
            moved_at=self.history.moved_at + seconds,
            before=self.history.before + seconds,
            origin=None if self.history.origin is None else self.history.origin + seconds,
        )
        return msgspec.structs.replace(
            self,
            due=self.due + seconds,
            history=history,
            failing_since=self.failing_since + seconds,
            began=self.began + seconds,
            deadline=self.deadline + seconds,
            late_at=self.late_at + seconds if self.late_at else self.late_at,
        )


class ResumeToken(Struct, frozen=True, kw_only=True):
    """What a token holds. Times are seconds since 1970, on the wall clock.

    `operation` is the path that started the task, None where only the id is known. `request` has the request's own
    fields, `key` names the submission, `note` is the caller's, `traceparent` is the submission's place in a trace.
    """

    task_id: str
    operation: str | None = None
    request: dict[str, Any] | None = None
    key: str | None = None
    note: str = ""
    traceparent: str = ""
    saved_at: float = 0.0
    submitted_at: float | None = None
    parked: Parked | None = None

    def encode(self) -> str:
        """The token as one word."""
        saved = round(self.saved_at * _UNIT)
        path = self.operation
        content = _Content(
            _packed_hex(self.task_id),
            _PATHS.index(path) if path in _PATHS else path,
            self.request if len(msgspec.msgpack.encode(self.request)) <= _LONGEST_REQUEST else None,
            _packed_hex(self.key),
            self.note,
            saved,
            # A wall clock that was set back in between has the submission in the future.
            None if self.submitted_at is None else max(0, saved - round(self.submitted_at * _UNIT)),
            None if self.parked is None else msgspec.structs.astuple(_packed(self.parked, self.saved_at)),
            _packed_traceparent(self.traceparent),
        )
        data = msgspec.msgpack.encode(content)
        if len(data) < _SHORTEST:
            content.padding += bytes(_SHORTEST - len(data))
            data = msgspec.msgpack.encode(content)
        return _PREFIX + _word(crc32(data).to_bytes(4, "big") + data)


def parse_resume_token(text: str) -> ResumeToken:
    """A token's content. A bare task id counts as a token that knows the id alone. BadResumeToken for a broken one.

    The JSON form of version 1 is still read.
    """
    if not isinstance(text, str):  # a queue or a database may hand out bytes
        raise TypeError(f"the task id or resume token is of type {type(text).__name__}: pass it as a str")
    text = text.strip()
    if text.startswith("{"):
        return _version_1(text)
    if text[:4].lower() == _PREFIX:
        return _version_2(text)
    if not text:
        raise BadResumeToken("an empty task id: pass the id that the platform gave, or a resume token")
    if len(text) > _LONGEST_ID or not text.isprintable() or any(character.isspace() for character in text):
        raise BadResumeToken(
            "neither a task id nor a resume token: it is too long, or has white space in it; copy the token whole"
        )
    return ResumeToken(task_id=text)


class _Version1(Struct):
    v: int
    task_id: str
    operation: str | None = None


def _version_1(text: str) -> ResumeToken:
    try:
        token = msgspec.json.decode(text, type=_Version1)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise BadResumeToken(f"not a resume token: {error}") from None
    if token.v != 1:
        raise BadResumeToken(f"a resume token of version {token.v}, which this release of altcraft-client can't read")
    if not token.task_id:
        raise BadResumeToken("a resume token without a task id")
    return ResumeToken(task_id=token.task_id, operation=token.operation)


def _version_2(text: str) -> ResumeToken:
    data = _bytes(text[len(_PREFIX) :]) if len(text) <= _LONGEST and text.startswith(_PREFIX) else None
    if data is None or crc32(data[4:]).to_bytes(4, "big") != data[:4]:
        raise BadResumeToken("a resume token that is damaged: copy it whole, from at2_ to its last character")
    try:
        content = msgspec.msgpack.decode(data[4:], type=_Content)
        saved = content.saved / _UNIT
        parked = None if content.parked is None else _unpacked(content.parked, _unpacked_hex(content.task_id), saved)
        token = ResumeToken(
            task_id=_unpacked_hex(content.task_id),
            operation=_PATHS[content.operation] if isinstance(content.operation, int) else content.operation,
            request=content.request,
            key=None if content.key is None else _unpacked_hex(content.key),
            note=content.note,
            traceparent=_unpacked_traceparent(content.padding),
            saved_at=saved,
            submitted_at=None if content.submitted is None else saved - content.submitted / _UNIT,
            parked=parked,
        )
        _check(token, content)
    except (msgspec.MsgspecError, ValueError, IndexError, OverflowError):
        raise BadResumeToken("a resume token that no altcraft-client has made, or a newer one") from None
    return token


class _Content(Struct, array_like=True):
    task_id: Any  # str or bytes: see `_packed_hex`
    operation: int | str | None
    request: dict[str, Any] | None
    key: Any  # likewise
    note: str
    saved: int
    submitted: int | None
    parked: tuple[Any, ...] | None
    padding: bytes = b""  # zeros, behind the traceparent if there is one: earlier releases pass over both


class _Packed(Struct, array_like=True):
    """`Parked`, its times in microseconds before the saving (those that lie ahead are negative)."""

    state: int
    due: int
    failures: int
    failing_since: int
    began: int | None
    deadline: int | None
    late_at: int | None
    has_feedback: bool
    submitted: bool
    started: int
    at: int
    moved_at: int
    before: int
    origin: int | None
    base: float
    polls: int
    status: str
    progress: float
    quantum: float
    late: int
    announced: bool


def _packed(parked: Parked, saved_at: float) -> _Packed:
    def ago(time: float) -> int:
        return round((saved_at - time) * _UNIT)

    history = parked.history
    return _Packed(
        _STATES.index(parked.state),
        ago(parked.due) if parked.state != "idle" else 0,
        parked.failures,
        ago(parked.failing_since) if parked.failures else 0,
        None if parked.began == -inf else ago(parked.began),
        None if parked.deadline == inf else ago(parked.deadline),
        ago(parked.late_at) if parked.late_at else None,
        parked.late_at is not None,
        history.submitted,
        ago(history.started),
        ago(history.at),
        ago(history.moved_at),
        ago(history.before),
        None if history.origin is None else ago(history.origin),
        _short(history.base),
        history.polls,
        history.status[:100],
        _short(history.progress),
        _short(history.quantum),
        history.late,
        history.announced,
    )


def _unpacked(values: tuple[Any, ...], task_id: str, saved_at: float) -> Parked:
    packed = msgspec.convert(values, _Packed)

    def time(ago: int) -> float:
        if abs(ago) > _TEN_YEARS * _UNIT:
            raise ValueError
        return saved_at - ago / _UNIT

    history = History(
        time(packed.started),
        packed.submitted,
        task_id,
        time(packed.at),
        time(packed.moved_at),
        time(packed.before),
        None if packed.origin is None else time(packed.origin),
        packed.base,
        packed.polls,
        packed.status,
        packed.progress,
        packed.quantum,
        packed.late,
        packed.announced,
    )
    if not (0 <= history.base <= 100 and 0 <= history.progress <= 100 and 0 < history.quantum <= 100):
        raise ValueError
    if not (0 <= history.polls < 2**31 and 0 <= history.late < 2**31 and 0 <= packed.failures < 2**31):
        raise ValueError
    if not (history.started <= history.moved_at <= history.at and history.started <= history.before <= history.at):
        raise ValueError
    if history.origin is not None and not history.started <= history.origin <= history.at:
        raise ValueError
    late_at = None
    if packed.has_feedback:
        late_at = 0.0 if packed.late_at is None else time(packed.late_at)
    return Parked(
        _STATES[packed.state] if packed.state >= 0 else "",
        time(packed.due),
        history,
        packed.failures,
        time(packed.failing_since) if packed.failures else 0.0,
        -inf if packed.began is None else time(packed.began),
        inf if packed.deadline is None else time(packed.deadline),
        late_at,
    )


def _check(token: ResumeToken, content: _Content) -> None:
    """ValueError for values that no client writes."""
    lengths = (
        (token.task_id, 1, 4096),
        ("x" if token.operation is None else token.operation, 1, 500),
        ("x" if token.key is None else token.key, 1, KEY_LENGTH),
        (token.note, 0, NOTE_LENGTH),
    )
    if any(not least <= len(text) <= most or not text.isprintable() for text, least, most in lengths):
        raise ValueError
    if not 0 <= content.saved < 2**62 or not 0 <= (content.submitted or 0) <= _TEN_YEARS * _UNIT:
        raise ValueError
    if token.parked is not None and token.parked.state not in _STATES:
        raise ValueError


def _short(number: float) -> float:
    """A whole number as an int, which takes fewer bytes."""
    return int(number) if number == int(number) else number


def _packed_hex(text: str | None) -> str | bytes | None:
    """A UUID, or its 32 digits, as bytes: 17 where there are hyphens, 16 where there are none."""
    if text is None:
        return None
    digits = text.replace("-", "")
    if len(digits) == 32 and digits == digits.lower():
        try:
            data = bytes.fromhex(digits)
        except ValueError:
            return text
        if text == digits:
            return data
        if text == _hyphenated(digits):
            return b"-" + data
    return text


def _unpacked_hex(packed: object) -> str:
    if isinstance(packed, str):
        return packed
    if not isinstance(packed, bytes):
        raise ValueError
    if len(packed) == 17 and packed[:1] == b"-":
        return _hyphenated(packed[1:].hex())
    if len(packed) != 16:
        raise ValueError
    return packed.hex()


def is_traceparent(text: str) -> bool:
    """Whether the text is a W3C traceparent of version 00."""
    return re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", text) is not None


def _packed_traceparent(text: str) -> bytes:
    """Trace id, span id and flags: 25 bytes; none without a traceparent."""
    return bytes.fromhex(text[3:].replace("-", ""))


def _unpacked_traceparent(padding: bytes) -> str:
    digits = padding[:25].hex()
    text = f"00-{digits[:32]}-{digits[32:48]}-{digits[48:]}"
    return text if is_traceparent(text) else ""


def _hyphenated(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _word(data: bytes) -> str:
    """Bytes as digits in base 62, behind a leading 1 that keeps zeros at the beginning."""
    number, digits = int.from_bytes(b"\x01" + data, "big"), []
    while number:
        number, value = divmod(number, 62)
        digits.append(_DIGITS[value])
    return "".join(reversed(digits))


def _bytes(word: str) -> bytes | None:
    """The bytes of such a word, None where it is none."""
    number = 0
    for digit in word:
        value = _VALUES.get(digit)
        if value is None:
            return None
        number = number * 62 + value
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return data[1:] if data[:1] == b"\x01" and len(data) > 5 else None
