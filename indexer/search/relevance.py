"""Which products a query asks for: relevance in 0..1 for each product of the catalog.

Words first: a product is asked for as far as the query's words, rare ones counting more, stand in
what the shop says of it (BM25 over its fields), and as far as its title stands in the query.
Meaning second: query and product text as sentences. The best product holds the field, and the
others fall behind it fast: a shopper who names one apple does not ask for all of them. A broad
query does: one that names a category or a brand, and no product.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.labels import Labels, Products
from reelshelf.indexer.search.query import Query
from reelshelf.indexer.search.vocabulary import told_words
from reelshelf.indexer.text import Numbers, base_form
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.spaces import cosine_scale

# Cosines of sentences below the first have nothing in common, above the second say the same.
_UNLIKE, _ALIKE = 0.15, 0.95
# A title of which so much is in a query is named; less of it is a few shared words.
_NAMED = 0.9
# So many of them are told apart.
_MOST_NAMED = 256
# What the words themselves count beside their meaning.
_LEXICAL = 0.3
# Of the most that BM25 can give: what a title gives that has all words once.
_TITLED = 0.75
_RIVALRY = 0.12
# A product outside of a brand that the query names is hardly what it asks for. A category is often
# named in passing: "apple drink" asks for no apple.
_OUTSIDE_BRAND, _OUTSIDE_CATEGORY = 0.5, 0.85
# What a broad query asks for; how near a product comes besides orders them a little.
_BROADLY, _NEARNESS = 0.8, 0.1


class ProductRelevance:
    """The catalog prepared for many queries."""

    def __init__(self, catalog: SearchedCatalog, text_space: str = "") -> None:
        self._catalog = catalog
        self._cosine_scale = cosine_scale(text_space)

    def of_text(
        self, query: Query, vector: Vectors | None, admitted: Vectors, broad: Products | None = None
    ) -> Vectors:
        """`(products,)` relevance of an analyzed query whose sentence vector is `vector`.

        Without a vector words alone tell it. `admitted`, `(products,)`, is 0 for products that a
        filter leaves out: they hold no field. `broad` is what `broad` says of the query.
        """
        relevance = self.plain(query, vector)
        if broad is None:
            return _rivaled(relevance * admitted)
        # A product that is named as well stays ahead of the others.
        asked = np.where(relevance >= 1, 1.0, _BROADLY + _NEARNESS * relevance)
        # The rest rivals what is asked for, and not the other way round.
        rest = _rivaled(np.where(broad, 1.0, relevance).astype(np.float32) * admitted)
        return np.asarray(np.where(broad, asked * admitted, rest), np.float32)

    def broad(self, query: Query) -> Products | None:
        """`(products,)` which a broad query asks for alike; all where it names only a price.

        None where it asks for something of its own.
        """
        if not query.corrected and query.price is not None:
            return np.ones(len(self._catalog), bool)
        vocabulary, columns = self._catalog.vocabulary, self._catalog.columns
        phrases = vocabulary.split(self._told(query))
        if not any(map(vocabulary.is_facet, phrases)):
            return None
        inside = np.ones(len(columns), bool)
        for phrase in phrases:
            inside &= vocabulary.products(phrase, columns)
        return inside if inside.any() else None

    def plain(self, query: Query, vector: Vectors | None) -> Vectors:
        """`(products,)` how near each product comes to a query, by words, names and meaning."""
        words = self._catalog.words
        told = self._told(query)
        lexical = self._lexical(told)
        if vector is None:
            relevance = lexical
        else:
            similarity = self._catalog.facts @ vector / self._cosine_scale
            meaning = np.clip((similarity - _UNLIKE) / (_ALIKE - _UNLIKE), 0.0, 1.0)
            relevance = _LEXICAL * lexical + (1.0 - _LEXICAL) * meaning
        relevance *= self._inside(query)
        named = self._titles_in(told)
        relevance[named] = 1.0
        relevance[words.by_code(self._catalog.analyzer.words(query.corrected))] = 1.0
        return np.asarray(relevance, np.float32)

    def of_image(self, similarity: Mapping[int, float], admitted: Vectors) -> Vectors:
        """The same for a picture, from the cosine of each near product's best picture."""
        relevance = np.zeros(len(self._catalog), np.float32)
        for product, cosine in similarity.items():
            relevance[product] = max(cosine, 0.0)
        return _rivaled(relevance * admitted)

    def named(self, text: str) -> Products:
        """`(products,)` which have all words of a text in their names, categories and values."""
        return self._catalog.words.having(told_words(text, self._catalog.analyzer))

    def weight(self, word: str) -> float:
        """How much a word narrows down what is asked for; one that no product has does most."""
        return self._catalog.words.weight(base_form(word, self._catalog.analyzer))

    def _told(self, query: Query) -> list[str]:
        return list(dict.fromkeys(told_words(query.corrected, self._catalog.analyzer)))

    def _titles_in(self, told: Sequence[str]) -> Numbers:
        """The products whose titles stand in a query.

        The words of a longer title do not name a shorter one as well: "orange grapefruit juice"
        names no orange.
        """
        words = self._catalog.words
        places = np.flatnonzero(words.coverage(told) >= _NAMED)
        longest = np.argsort(-words.title_weight[places], kind="stable")[:_MOST_NAMED]
        places = places[longest]
        used = np.zeros(len(told), bool)
        taken: set[bytes] = set()
        named = []
        for place, own in zip(places.tolist(), words.in_title(told, places).T, strict=True):
            if own.tobytes() in taken or not (own & used).any():
                named.append(place)
                taken.add(own.tobytes())
                used |= own
        return np.array(named, np.intp)

    def _lexical(self, told: Sequence[str]) -> Vectors:
        """How far the words of a query, by their rarity, stand in each product.

        The best product has the share of them that it has; others fall behind it as by BM25.
        """
        words = self._catalog.words
        asked = [word for word in told if _says(word)]
        scores = words.scores(asked)
        best = float(scores.max(initial=0.0))
        if not best:
            return scores
        share = min(best / (_TITLED * sum(map(words.weight, asked))), 1.0)
        return np.asarray(scores / best * share**2, np.float32)

    def _inside(self, query: Query) -> Vectors:
        """1 for products of the brand and category that the query names, else less."""
        columns = self._catalog.columns
        factors = np.ones(len(columns), np.float32)
        named: tuple[tuple[Sequence[str], Labels, float], ...] = (
            (query.brands, columns.brands, _OUTSIDE_BRAND),
            (query.categories, columns.categories, _OUTSIDE_CATEGORY),
        )
        for names, labels, outside in named:
            numbers = [n for n in map(labels.find, names) if n is not None]
            if numbers:
                factors[~labels.products(numbers)] *= outside
        return factors


def _says(word: str) -> bool:
    """Whether a word is more than a letter; a Chinese character, or a Korean one, is a word."""
    return len(word) > 1 or not word.isascii()


def _rivaled(relevance: Vectors) -> Vectors:
    """Each relevance, falling off with its distance to the best one."""
    if not relevance.size:
        return relevance
    return np.asarray(relevance * np.exp((relevance - relevance.max()) / _RIVALRY), np.float32)
