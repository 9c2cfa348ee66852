"""Text without the HTML that exports leave in it."""

import re

from reelshelf.indexer.text.clean import decode_entities

# Elements of HTML. Only they are markup: "size <M>" and "a < b" are text.
_PARTING = (
    "address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "details",
    "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h[1-6]", "head",
    "header", "hr", "html", "iframe", "img", "legend", "li", "main", "nav", "object", "ol",
    "option", "p", "pre", "section", "select", "summary", "table", "tbody", "td", "tfoot", "th",
    "thead", "title", "tr", "ul", "video",
)  # fmt: skip
_WITHIN = (
    "a", "abbr", "audio", "b", "bdi", "bdo", "big", "button", "circle", "cite", "code", "col",
    "colgroup", "defs", "del", "em", "embed", "font", "g", "i", "input", "ins", "kbd", "label",
    "link", "mark", "meta", "noscript", "param", "path", "picture", "polygon", "q", "rect", "s",
    "script", "small", "source", "span", "strike", "strong", "style", "sub", "sup", "svg",
    "template", "time", "tt", "u", "use", "var", "wbr", r"[a-z]\w*:\w+",
)  # fmt: skip
# What is inside of these is not shown. One that is never closed hides nothing.
_HIDDEN = (
    (re.compile("<!--"), re.compile("-->")),
    *(
        (re.compile(rf"<{name}\b[^<>]*>", re.I), re.compile(rf"</{name}\s*>", re.I))
        for name in ("script", "style", "template")
    ),
)
# An attribute may hold "<" and ">" in its quotes; a tag ends within a few thousand characters.
_INSIDE = r"(?=[\s/>])(?:[^<>\"']|\"[^\"]{0,4000}\"|'[^']{0,4000}'){0,200}>"
_PARTING_TAG = re.compile(rf"</?(?:{'|'.join(_PARTING)}){_INSIDE}", re.I)
_TAG = re.compile(rf"</?(?:{'|'.join((*_PARTING, *_WITHIN))}){_INSIDE}", re.I)
_BEGINS = re.compile(r"<[!/a-z]", re.I)
_SPACES = re.compile(r"[ \t\xa0]+")
# No description is longer; what follows is not looked at.
_LONGEST = 200_000


def plain_text(text: str) -> str:
    """Text with tags taken out and entities decoded; markup that was escaped itself, too.

    Of a text of more than 200,000 characters the rest is left out.
    """
    text = text[:_LONGEST]
    if _BEGINS.search(text):
        text = _without_tags(text)
    if "&" in text:
        text = decode_entities(text)
        if _BEGINS.search(text):
            text = decode_entities(_without_tags(text))
    return text


def _without_tags(text: str) -> str:
    bare = _TAG.sub("", _PARTING_TAG.sub("\n", _without_hidden(text)))
    if bare == text:
        return text
    lines = (_SPACES.sub(" ", line).strip() for line in bare.split("\n"))
    return "\n".join(line for line in lines if line)


def _without_hidden(text: str) -> str:
    for opening, closing in _HIDDEN:
        shown: list[str] = []
        at = 0
        while (begin := opening.search(text, at)) and (end := closing.search(text, begin.end())):
            shown.append(text[at : begin.start()])
            at = end.end()
        text = "".join(shown) + text[at:]
    return text
