"""Which products of a catalog a text asks for: with videos or without."""

import unicodedata
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.filters import NO_FILTER, Filter, admitted, in_price
from reelshelf.indexer.search.labels import Products
from reelshelf.indexer.search.query import Query, QueryAnalyzer
from reelshelf.indexer.search.relevance import Nearness, ProductRelevance
from reelshelf.indexer.search.spelling import Knows
from reelshelf.indexer.text import Numbers, clean_text
from reelshelf.models.protocols import TextEncoder
from reelshelf.schemas.errors import InputError
from reelshelf.schemas.media import Vectors

# A query longer than this is cut: nobody types one, and each of its words is looked up.
_LONGEST = 1000
# Signs that show nothing, and spaces.
_UNSEEN = frozenset(["Cf", "Zs", "Zl", "Zp", "Cc"])
# What words count beside meaning where products are listed, chosen on judged queries of a real
# catalog. More than in looking for videos, which words reach by other ways too.
_LEXICAL = 0.75
# The least score that is shown, as a share of the best one and at all.
_AS_NEAR, _LEAST = 0.5, 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What a query asks of n products.

    `vector` is its sentence vector, None without an encoder. `admitted`, `(n,)`, are the products
    inside of all filters, `near` how near each comes; `broad`, `(n,)`, are those that a broad query
    asks for alike, None where it asks for something of its own.
    """

    query: Query
    vector: Vectors | None
    admitted: Products
    near: Nearness
    broad: Products | None

    @property
    def relevant(self) -> Products:
        """`(n,)` the admitted products that come near enough to be an answer."""
        near = self.near.near() if self.broad is None else self.near.near() | self.broad
        return near & self.admitted

    def scores(self) -> npt.NDArray[np.float32]:
        """`(n,)` how products are listed, whatever filters say."""
        found = self.near.mixed(_LEXICAL)
        if self.broad is not None:
            found = np.where(self.broad, 1.0 + found, found)
        return np.asarray(found, np.float32)


class ProductSearch:
    """A catalog prepared for many queries.

    Without an encoder words alone are looked at. `knows` tells whether a word that the catalog does
    not have finds something elsewhere.
    """

    def __init__(
        self,
        catalog: SearchedCatalog,
        encoder: TextEncoder | None = None,
        text_space: str = "",
        knows: Knows | None = None,
    ) -> None:
        self.catalog = catalog
        self.relevance = ProductRelevance(catalog, text_space)
        self._encoder = encoder
        self._analyzer = QueryAnalyzer(catalog, knows or (encoder.has_word if encoder else None))

    def analyze(self, text: str, *, correct: bool = True) -> Query:
        """How a text is understood: corrected spelling, brand, category, price.

        Where not `correct`, words are taken as they are. Raises InputError where there is no text.
        """
        plain = clean_text(text)
        if not plain or all(unicodedata.category(sign) in _UNSEEN for sign in plain):
            raise InputError("the query is empty: type what you are looking for")
        query = self._analyzer.analyze(plain[:_LONGEST], correct=correct)
        if len(plain) <= _LONGEST:
            return query
        note = f"only its first {_LONGEST} characters were looked at"
        return replace(query, notes=(*query.notes, note))

    def ask(self, query: Query, wanted: Filter = NO_FILTER, *, dated: bool = True) -> Asked:
        """What an analyzed query asks for, of the products that a filter admits.

        Where not `dated`, dates of the filter are those of videos.
        """
        vector = self._encoder.encode_texts([query.text])[0] if self._encoder else None
        columns = self.catalog.columns
        inside = admitted(wanted, columns, dated=dated)
        if query.price is not None:
            inside &= in_price(query.price, columns)
        for unwanted in query.excluded:
            inside &= ~self.relevance.having(unwanted)
        near = self.relevance.nearness(query, vector)
        return Asked(query, vector, inside, near, self.relevance.broad(query))

    def list(self, asked: Asked) -> Numbers:
        """The places of the products to be shown, best first; of equals by SKU.

        They are the relevant ones, and those that come half as near as the best one, filters or
        not: a filter leaves the rest of a list as it is.
        """
        scores = asked.scores()
        shown = asked.relevant | (scores >= max(_AS_NEAR * scores.max(initial=0.0), _LEAST))
        places = np.flatnonzero(shown & asked.admitted)
        return places[np.argsort(-scores[places], kind="stable")]

    def answers(self, asked: Asked) -> bool:
        """Whether anything in the catalog is an answer."""
        query = asked.query
        return bool((query.corrected or query.price is not None) and asked.relevant.any())
