"""Text into words: one analyzer for the index, for queries and for linking."""

import re
import unicodedata

# Words that say nothing of a product. Kept short: rare words get their weight from the catalog.
STOPWORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "at",
        "by",
        "for",
        "from",
        "in",
        "is",
        "it",
        "of",
        "on",
        "or",
        "the",
        "this",
        "to",
        "with",
    ]
)
_WORD = re.compile(r"\w+(?:[.,]\d+)?", re.UNICODE)


def words(text: str) -> list[str]:
    """Lower-case words of a text without accents; numbers keep their decimals."""
    # Folding case can undo a decomposition and the other way round: fold between two of them.
    flat = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    flat = "".join(c for c in flat if not unicodedata.combining(c))
    return [
        word.replace(",", ".") for word in _WORD.findall(flat.replace("'", "").replace("’", ""))
    ]
