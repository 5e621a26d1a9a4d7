"""An HTML document taken apart, as far as the tests of the report look at it."""

from __future__ import annotations

from html.parser import HTMLParser


class Document(HTMLParser):
    """`elements` has each start tag with its attributes, in order; `texts` the text of each kind of element."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        for tag in dict.fromkeys(self._open):
            self.texts[tag][-1] += data

    def count(self, tag: str) -> int:
        return len(self.texts.get(tag, []))

    def attributes(self, name: str) -> list[str]:
        """The values of an attribute, over all elements."""
        return [value or "" for _, attributes in self.elements for key, value in attributes.items() if key == name]

    def text(self, tag: str) -> str:
        return " | ".join(" ".join(text.split()) for text in self.texts.get(tag, []))
