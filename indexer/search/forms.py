"""The form in which two words of a query and of a catalog are one word."""

from reelshelf.indexer.text import Analyzer, base_form

# English plurals that no stemmer of suffixes undoes, of things that shops sell or sell for.
_IRREGULAR = {
    "scarves": "scarf", "knives": "knife", "shelves": "shelf", "loaves": "loaf", "leaves": "leaf",
    "calves": "calf", "halves": "half", "wolves": "wolf", "elves": "elf", "hooves": "hoof",
    "men": "man", "women": "woman", "children": "child", "feet": "foot", "teeth": "tooth",
    "mice": "mouse", "geese": "goose", "people": "person",
}  # fmt: skip


def shared_form(word: str, analyzer: Analyzer) -> str:
    """The form that a word and its other forms share."""
    if "en" in analyzer.languages:
        word = _IRREGULAR.get(word, word)
    return base_form(word, analyzer)
