"""The token as a value: what it refuses to be, what shows it, and where a text echoes it."""

from __future__ import annotations

import base64
import copy
import html
import json
import pickle
import re
from collections.abc import Callable
from urllib.parse import quote, unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altcraft import AsyncClient, Client
from altcraft.wire.secret import Auth, MaskedBytes, MaskedDict, MaskedList, Secret
from wire.showing import printed_by_python, printed_by_rich, renderings, shown_locals

TOKEN = "t0k3n-that-stays-hidden"
TOKENS = [TOKEN, "AbC/+%&<\"'\\=9z%41", "ключ-Straße-😀-éİ", "abcde"]
each_token = pytest.mark.parametrize("token", TOKENS)

# What it shows.


def test_only_reveal_shows_a_secret() -> None:
    secret = Secret(TOKEN)
    assert secret.reveal() == TOKEN
    assert TOKEN not in renderings(secret)
    assert "***" in repr(secret)
    assert f"{secret:>10}" == "       ***"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_neither_pickled_nor_copied(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(TOKEN), protocol)
    for copier in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copier(Secret(TOKEN))


@pytest.mark.parametrize("encode", [msgspec.json.encode, msgspec.to_builtins, json.dumps])
def test_a_secret_is_not_serialised(encode: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as caught:
        encode(Secret(TOKEN))
    assert TOKEN not in str(caught.value)


def test_secrets_are_compared_by_their_values() -> None:
    assert Secret(TOKEN) == Secret(TOKEN)
    assert len({Secret(TOKEN), Secret(TOKEN), Secret("other")}) == 2
    assert Secret(TOKEN) != TOKEN


@pytest.mark.parametrize(
    "masked",
    [
        MaskedDict({"Authorization": f"Bearer {TOKEN}"}),
        MaskedDict({"token": TOKEN}).copy(),
        MaskedDict({"accept": "json"}) | {"PROXY-AUTHORIZATION": TOKEN},
        copy.copy(MaskedDict({"token": TOKEN})),
        copy.deepcopy(MaskedDict({"token": TOKEN})),
        MaskedBytes(TOKEN.encode()),
        MaskedBytes(TOKEN.encode() * 9),
        MaskedList([f"Authorization: Bearer {TOKEN}"]),
    ],
)
def test_a_masked_container_does_not_show_the_token(masked: object) -> None:
    assert TOKEN not in renderings(masked)


def test_a_copy_of_masked_headers_holds_the_same_and_masks_it() -> None:
    headers = MaskedDict({"token": TOKEN, "accept": "json"})
    for copied in (headers.copy(), headers | {}, copy.copy(headers), copy.deepcopy(headers)):
        assert type(copied) is MaskedDict
        assert copied == headers
    assert headers | {"accept": "xml", "x": "y"} == {"token": TOKEN, "accept": "xml", "x": "y"}


def test_a_masked_container_works_as_what_it_contains() -> None:
    assert MaskedDict({"token": TOKEN})["token"] == TOKEN
    assert bytes(MaskedBytes(b"abc")) == b"abc" == MaskedBytes(b"abc")
    assert [*MaskedList(["a", "b"])] == ["a", "b"]
    assert "json" in repr(MaskedDict({"accept": "json"}))
    assert repr(MaskedBytes(b"abc")) == "<3 bytes>"
    assert repr(MaskedList(["a", "b"])) == "<2 lines>"


# What it refuses.

NO_TOKENS = [
    *((f"{TOKEN}{end}", ValueError) for end in ("\n", "\r\n", " ", " a", "\x00", "\x7f", "\u00a0", "\u2028", "\ud800")),
    (f"\r\n{TOKEN}", ValueError), (f" {TOKEN}", ValueError), (" ", ValueError),
    (TOKEN.encode(), TypeError), (bytearray(TOKEN.encode()), TypeError), (memoryview(TOKEN.encode()), TypeError),
    ([TOKEN], TypeError), (b"", TypeError), (0, TypeError), (Secret(TOKEN), TypeError),
]  # fmt: skip


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("auth", ["body", "bearer"])
@pytest.mark.parametrize(("token", "error"), NO_TOKENS)
def test_a_client_refuses_what_is_no_token_and_no_frame_of_ours_shows_it(
    kind: Callable[..., object], auth: Auth, token: object, error: type[Exception]
) -> None:
    with pytest.raises(error, match="the token ") as caught:
        kind("https://your.host", token=token, auth=auth)
    assert TOKEN not in str(caught.value)
    assert not [place for place, shown in shown_locals(caught.value, of="altcraft") if TOKEN in shown]


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("token", ["клю4", "caf\u00e9"])
def test_a_bearer_token_that_no_header_carries_is_refused_when_the_client_is_made(
    kind: Callable[..., object], token: str
) -> None:
    with pytest.raises(ValueError, match="not ASCII") as caught:
        kind("https://your.host", token=token, auth="bearer")
    assert not [place for place, shown in shown_locals(caught.value, of="altcraft") if token in shown]
    Secret(token).check("body")


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_token_is_none(nothing: object) -> None:
    assert Secret.of(nothing) is None


def test_a_refusal_can_be_raised_again() -> None:
    secret = Secret.of(f"{TOKEN}\n")
    assert secret is not None
    for _ in range(2):
        with pytest.raises(ValueError, match="line breaks") as caught:
            secret.check()
    assert TOKEN not in printed_by_python(caught.value) + printed_by_rich(caught.value)


# Where a text echoes it.


@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 4))
def test_scrubbing_masks_the_token_and_nothing_else(before: str, after: str, times: int) -> None:
    text = before + TOKEN * times + after
    scrubbed = Secret(TOKEN).scrub(text)
    assert TOKEN not in scrubbed
    assert scrubbed == before + "***" * times + after


def test_an_empty_secret_scrubs_nothing() -> None:
    assert Secret("").scrub("abc") == "abc"


def bytes_in_percent(token: str) -> str:
    return "".join(f"%{byte:02x}" for byte in token.encode())


def utf16_units(text: str) -> list[str]:
    return re.findall("....", text.encode("utf-16-be").hex().upper())


def of_each_character(form: str) -> Callable[[str], str]:
    return lambda token: "".join(form.format(ord(character)) for character in token)


ECHOES: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "lower case": str.lower,
    "swapped case": str.swapcase,
    "title case": str.title,
    "folded case": str.casefold,
    "percent-encoded": lambda token: quote(token, safe=""),
    "percent-encoded in lower case": lambda token: quote(token, safe="").lower(),
    "each byte percent-encoded": bytes_in_percent,
    "percent-encoded twice": lambda token: quote(quote(token, safe=""), safe=""),
    "half of it percent-encoded": lambda token: token[:2] + quote(token[2:], safe=""),
    "JSON": lambda token: json.dumps(token)[1:-1],
    "JSON with slashes escaped": lambda token: json.dumps(token).replace("/", "\\/")[1:-1],
    "JSON within JSON": lambda token: json.dumps(json.dumps(token))[3:-3],
    "JSON with each letter escaped": lambda token: "".join(f"\\u{unit}" for unit in utf16_units(token)),
    "XML": html.escape,
    "XML within XML": lambda token: html.escape(html.escape(token)),
    "XML with decimal references": of_each_character("&#{};"),
    "XML with hexadecimal references": of_each_character("&#x{:X};"),
    "XML with padded references": of_each_character("&#x00{:x};"),
    "a percent-encoded JSON text": lambda token: quote(json.dumps(token)[1:-1], safe=""),
    "Python": lambda token: repr(token.encode())[2:-1],
    "hexadecimal digits": lambda token: token.encode().hex(),
    "hexadecimal digits in upper case": lambda token: token.encode().hex().upper(),
    "UTF-16 read as bytes": lambda token: "".join(f"\0{character}" for character in token),
}


@each_token
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_an_echo_is_masked(token: str, echo: Callable[[str], str]) -> None:
    assert Secret(token).scrub(f"<{echo(token)}>") in ("<***>", "<\0***>")


@each_token
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("escape", [str, quote, lambda text: text.rstrip("="), lambda text: text.replace("/", "\\/")])
def test_an_echo_in_base64_is_masked_wherever_the_token_stands_in_it(
    token: str, encode: Callable[[bytes], bytes], escape: Callable[[str], str]
) -> None:
    for user in ("", "a", "me", "me:", "user:"):
        for after in (b"", b"\n", b"::", b"\xff\xff\xff"):
            encoded = encode(user.encode() + token.encode() + after).decode()
            scrubbed = Secret(token).scrub(f"Basic {escape(encoded)} said")
            assert "***" in scrubbed
            assert scrubbed.startswith("Basic ")
            assert scrubbed.endswith(" said")
            rest = unquote(scrubbed).removeprefix("Basic ").removesuffix(" said").replace("***", "").replace("\\", "")
            assert len(rest) <= 4 * (len(user) + len(after)) / 3 + 4


def test_letters_around_an_echo_are_kept() -> None:
    assert Secret(TOKEN).scrub(f"%3Fkey%3D{quote(TOKEN)}%26x%3Dжж {TOKEN}") == "%3Fkey%3D***%26x%3Dжж ***"


def test_a_short_token_is_not_sought_in_base64() -> None:
    assert Secret("no").scrub("bm8= is not NO, or %6e%6f") == "bm8= is ***t ***, or ***"


def test_a_token_at_the_boundary_of_other_escapes_is_masked_alone() -> None:
    assert Secret(TOKEN).scrub(f"%41{TOKEN}\\u0041") == "%41***\\u0041"
    assert Secret(TOKEN).scrub(f"{quote(TOKEN)}{TOKEN}{TOKEN.upper()}") == "*********"


def test_greek_sigmas_are_one_letter() -> None:
    secret = Secret("λόγος-ΛΟΓΟΣ")
    for echo in ("ΛΌΓΟΣ-λογος", "λόγοσ-λογοσ", "xΛΌΓΟΣ-ΛΟΓΟΣx"):
        assert "***" in secret.scrub(echo)


@pytest.mark.parametrize("filler", ["\\", "%25", "&amp;", "&#00000000", "%", "\\u005c", "\0", TOKEN])
def test_a_long_text_that_needs_work_is_cut_and_scrubbed(filler: str) -> None:
    scrubbed = Secret(TOKEN).scrub(filler * (10_000_000 // len(filler)))
    assert len(scrubbed) <= 16_385
    assert scrubbed.endswith("…")
    assert TOKEN not in scrubbed


@pytest.mark.parametrize("echo", [str, quote, html.escape, lambda token: json.dumps(token)[1:-1], bytes_in_percent])
@pytest.mark.parametrize("ahead", [1, 5, 20, 60])
def test_a_token_across_the_cut_is_masked_whole(echo: Callable[[str], str], ahead: int) -> None:
    text = " " * (16_384 - ahead) + echo(TOKENS[1]) + " " * 50_000
    scrubbed = Secret(TOKENS[1]).scrub(text)
    assert scrubbed.replace(" ", "") == "***…"


def test_a_long_text_without_the_token_is_kept() -> None:
    text = "hello = " * 1_000_000
    assert Secret(TOKEN).scrub(text) == text
