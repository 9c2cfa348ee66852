"""Which products of a catalog a text asks for: with videos or without."""

import unicodedata
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.concepts import NO_SYNONYMS, SynonymTable
from reelshelf.indexer.search.filters import in_price
from reelshelf.indexer.search.labels import Products
from reelshelf.indexer.search.query import Query, QueryAnalyzer
from reelshelf.indexer.search.relevance import PARTS, Nearness, ProductRelevance, Relevance
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
    inside of all filters, None where all are; `near` how near those come that come near at all.
    """

    query: Query
    vector: Vectors | None
    admitted: Products | None
    near: Nearness

    @property
    def inside(self) -> Products:
        """Which of the near ones are inside of all filters."""
        places = self.near.places
        return np.ones(len(places), bool) if self.admitted is None else self.admitted[places]

    @property
    def relevant(self) -> Products:
        """Which of them are, and come near enough to be an answer."""
        near = self.near.near()
        if self.near.broad is not None:
            near |= self.near.broad
        return near & self.inside

    def scores(self) -> npt.NDArray[np.float32]:
        """How the near ones are listed, whatever filters say."""
        found = self.near.mixed(_LEXICAL)
        if self.near.broad is not None:
            found = np.where(self.near.broad, 1.0 + found, found)
        return np.asarray(found, np.float32)

    def parts(self, place: int) -> tuple[tuple[str, float], ...]:
        """What the score of a near product is made of, most first; nothing of others."""
        row = int(np.searchsorted(self.near.places, place))
        if row == len(self.near.places) or self.near.places[row] != place:
            return ()
        values = self.near.parts(_LEXICAL, slice(row, row + 1))[0].tolist()
        is_broad = self.near.broad is not None and bool(self.near.broad[row])
        found = [*zip(PARTS, values, strict=True), ("broad", float(is_broad))]
        return tuple(sorted((pair for pair in found if pair[1]), key=lambda pair: -pair[1]))


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """Products in order: their places, and how each is scored."""

    places: Numbers
    scores: npt.NDArray[np.float32]

    @classmethod
    def of(cls, relevance: Relevance) -> "Listed":
        """All products that are asked for at all, the ones asked for most first."""
        own = np.flatnonzero(relevance.values > 0)
        own = own[np.argsort(-relevance.values[own], kind="stable")]
        return cls(relevance.places[own], relevance.values[own])

    def __len__(self) -> int:
        return len(self.places)


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

    def analyze(
        self,
        text: str,
        *,
        correct: bool = True,
        synonyms: SynonymTable = NO_SYNONYMS,
    ) -> Query:
        """How a text is understood: corrected spelling, brand, category, price.

        Where not `correct`, words are taken as they are; `synonyms` are what words stand for by
        rule. Raises InputError where there is no text.
        """
        plain = clean_text(text)
        if not plain or all(unicodedata.category(sign) in _UNSEEN for sign in plain):
            raise InputError("the query is empty: type what you are looking for")
        query = self._analyzer.analyze(plain[:_LONGEST], correct=correct, synonyms=synonyms)
        if len(plain) <= _LONGEST:
            return query
        note = f"only its first {_LONGEST} characters were looked at"
        return replace(query, notes=(*query.notes, note))

    def ask(self, query: Query, inside: Products | None = None, *, encode: bool = True) -> Asked:
        """What an analyzed query asks for; `inside`, `(products,)`, are those of a filter.

        Unless `encode`, words alone are looked at.
        """
        encoder = self._encoder if encode else None
        vector = encoder.encode_texts([query.text])[0] if encoder else None
        columns = self.catalog.columns
        limits = [~self.relevance.having(unwanted) for unwanted in query.excluded]
        if query.price is not None:
            limits.append(in_price(query.price, columns))
        for limit in limits:
            inside = limit if inside is None else inside & limit
        return Asked(query, vector, inside, self.relevance.nearness(query, vector, inside))

    def list(self, asked: Asked) -> Listed:
        """The products to be shown, best first, with their scores; of equals by SKU.

        They are the relevant ones, and those that come half as near as the best one, filters or
        not: a filter leaves the rest of a list as it is.
        """
        scores = asked.scores()
        shown = asked.relevant | (scores >= max(_AS_NEAR * scores.max(initial=0.0), _LEAST))
        own = np.flatnonzero(shown & asked.inside)
        own = own[np.argsort(-scores[own], kind="stable")]
        return Listed(asked.near.places[own], scores[own])

    def answers(self, asked: Asked) -> bool:
        """Whether anything in the catalog is an answer."""
        query = asked.query
        return bool((query.corrected or query.price is not None) and asked.relevant.any())
