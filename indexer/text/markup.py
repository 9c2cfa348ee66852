"""Text without the HTML that exports leave in it."""

import re
from html.parser import HTMLParser

from reelshelf.indexer.text.clean import decode_entities

# Elements of HTML that descriptions have. Only they are markup: "size <M>" and "a < b" are text.
_PARTING = frozenset(
    (
        "address", "article", "blockquote", "br", "caption", "center", "dd", "details", "div", "dl",
        "dt", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6",
        "header", "hr", "iframe", "img", "li", "main", "nav", "ol", "p", "pre", "section",
        "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "video",
    )
)  # fmt: skip
_WITHIN = frozenset(
    (
        "a", "abbr", "b", "bdi", "bdo", "big", "button", "cite", "code", "del", "em", "font", "i",
        "input", "ins", "kbd", "label", "link", "mark", "meta", "q", "s", "small", "source", "span",
        "strike", "strong", "sub", "sup", "svg", "time", "tt", "u", "var", "wbr",
    )
)  # fmt: skip
_UNSEEN = frozenset(("script", "style", "head", "template", "noscript"))
_TAG = re.compile(
    r"</?(?:" + "|".join(sorted(_PARTING | _WITHIN | _UNSEEN)) + r")(?=[\s/>])|<!--", re.IGNORECASE
)
_SPACES, _BLANKS = re.compile(r"[ \t\xa0]+"), re.compile(r"\s*\n\s*")


def plain_text(text: str) -> str:
    """Text with tags taken out and entities decoded; markup that was escaped itself, too."""
    if _TAG.search(text):
        text = _without_tags(text)
    elif "&" in text:
        text = decode_entities(text)
        if _TAG.search(text):
            text = _without_tags(text)
    return text


def _without_tags(text: str) -> str:
    parser = _Words()
    parser.feed(text)
    parser.close()
    return _BLANKS.sub("\n", _SPACES.sub(" ", "".join(parser.parts))).strip()


class _Words(HTMLParser):
    """Collects what a reader sees; elements that stand by themselves part lines."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._unseen += tag in _UNSEEN
        self._tag(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._tag(tag)

    def handle_endtag(self, tag: str) -> None:
        self._unseen = max(0, self._unseen - (tag in _UNSEEN))
        self._tag(tag)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(data)

    def _tag(self, tag: str) -> None:
        if tag in _PARTING:
            self.parts.append("\n")
        elif tag not in _WITHIN and tag not in _UNSEEN:
            self.parts.append(self.get_starttag_text() or "")
