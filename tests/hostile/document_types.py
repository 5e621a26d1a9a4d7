"""XML documents with a document type, written in every known way. None of them may be read."""

from __future__ import annotations

import encodings.aliases

__all__ = ["ATTACKS", "CHARSETS", "READABLE", "attack", "encoded", "started"]

ATTACKS: dict[str, str] = {
    "an empty one": "<!DOCTYPE xml><xml>{body}</xml>",
    "one that is internal": '<!DOCTYPE xml [<!ENTITY a "b">]><xml>&a;{body}</xml>',
    "one with elements": "<!DOCTYPE xml [<!ELEMENT xml ANY>]><xml>{body}</xml>",
    "default attributes": "<!DOCTYPE xml [<!ATTLIST xml a CDATA 'b'>]><xml>{body}</xml>",
    "nested entities": "<!DOCTYPE xml [<!ENTITY l0 'lol'>"
    + "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))
    + "]><xml>&l9;{body}</xml>",
    "nested entities in an attribute": "<!DOCTYPE xml [<!ENTITY l0 'lol'>"
    + "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))
    + "]><xml a='&l9;'>{body}</xml>",
    "quadratic entities": "<!DOCTYPE xml [<!ENTITY a '" + "a" * 50_000 + "'>]><xml>" + "&a;" * 50_000 + "{body}</xml>",
    "parameter entities": "<!DOCTYPE xml [<!ENTITY % p0 'lol'>"
    + "".join(f"<!ENTITY % p{n} '{f'&#37;p{n - 1};' * 10}'>" for n in range(1, 10))
    + "%p9;]><xml>{body}</xml>",
    "an entity in itself": "<!DOCTYPE xml [<!ENTITY a '&b;'><!ENTITY b '&a;'>]><xml>&a;{body}</xml>",
    "an external file": '<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml>&a;{body}</xml>',
    "an external file, by its path": '<!DOCTYPE xml [<!ENTITY a SYSTEM "/etc/passwd">]><xml>&a;{body}</xml>',
    "an external page": '<!DOCTYPE xml [<!ENTITY a SYSTEM "http://127.0.0.1:9/x">]><xml>&a;{body}</xml>',
    "an external parameter": '<!DOCTYPE xml [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x">%a;]><xml>{body}</xml>',
    "an external subset": '<!DOCTYPE xml SYSTEM "http://127.0.0.1:9/x.dtd"><xml>{body}</xml>',
    "an external subset, from a file": '<!DOCTYPE xml SYSTEM "file:///etc/passwd"><xml>{body}</xml>',
    "a public subset": '<!DOCTYPE xml PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://127.0.0.1:9/x.dtd"><xml>{body}</xml>',
    "a notation": '<!DOCTYPE xml [<!NOTATION n SYSTEM "http://127.0.0.1:9/x">]><xml>{body}</xml>',
    "an unparsed entity": '<!DOCTYPE xml [<!NOTATION n SYSTEM "n"><!ENTITY a SYSTEM "/etc/passwd" NDATA n>]>'
    "<xml>{body}</xml>",
    "after a comment": "<!-- first --><!DOCTYPE xml><xml>{body}</xml>",
    "after an instruction": "<?first?><!DOCTYPE xml><xml>{body}</xml>",
    "after much white space": " " * 5_000 + "<!DOCTYPE xml><xml>{body}</xml>",
    "on lines of its own": "\n<!DOCTYPE\n\txml\n><xml>{body}</xml>",
    "standalone": "<!DOCTYPE xml [<!ENTITY a 'b'>]><xml>{body}</xml>",
    "included": '<!DOCTYPE xml><xml xmlns:x="http://www.w3.org/2001/XInclude"><x:include href="/etc/passwd"/>'
    "{body}</xml>",
}
"""Documents by the attack that they try. `{body}` stands for a body that the schema accepts."""

BODY = "<data><task_id>an-id</task_id></data><error>0</error><error_text>ok</error_text>"

CHARSETS: tuple[str, ...] = tuple(
    sorted(
        {*encodings.aliases.aliases.values(), "utf_8_sig", "ascii", "idna", "punycode", "unicode_escape"}
        | {"raw_unicode_escape", "undefined", "palmos"}
    )
)
"""Every encoding that Python has, including those that are not encodings of text."""

READABLE = ("utf_8", "utf_8_sig", "utf_16", "latin_1", "ascii", "cp1251", "koi8_r", "iso8859_5")
"""Encodings that the parser reads, so that a document type in one of them is UnsafeXml, and not just a DecodeError."""


def attack(kind: str) -> str:
    """The attack of that kind, around a body that is fine by itself."""
    return ATTACKS[kind].replace("{body}", BODY)


def started() -> str:
    """The same body without an attack."""
    return f"<xml>{BODY}</xml>"


def encoded(text: str, charset: str, declared: str | None) -> bytes | None:
    """The document in the encoding `charset`, with `declared` in its declaration; None where it can't be encoded so."""
    declaration = "" if declared is None else f'<?xml version="1.0" encoding="{declared}"?>'
    try:
        return (declaration + text).encode(charset)
    except (LookupError, ValueError):
        return None
