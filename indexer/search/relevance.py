"""Which products a query asks for: relevance in 0..1 for each product of the catalog.

Words first: a product is asked for as far as the query's words, rare ones counting more, stand in
what the shop says of it (BM25 over its fields), and as far as its title stands in the query.
Meaning second: query and product text as sentences. The best product holds the field, and the
others fall behind it fast: a shopper who names one apple does not ask for all of them. A broad
query does: one that names a category or a brand, and no product.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.concepts import Concept
from reelshelf.indexer.search.forms import shared_form
from reelshelf.indexer.search.labels import Labels, Products
from reelshelf.indexer.search.query import Query
from reelshelf.indexer.search.vocabulary import told_words
from reelshelf.indexer.text import Numbers
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.spaces import cosine_scale

# Cosines of sentences below the first have nothing in common, above the second say the same.
_UNLIKE, _ALIKE = 0.15, 0.95
# A title of which so much is in a query is named; less of it is a few shared words.
_NAMED = 0.9
# So many of them are told apart.
_MOST_NAMED = 256
# What the words themselves count beside their meaning, in looking for videos.
_LEXICAL = 0.3
# From where on a product is an answer by its words alone, or by some of them and its meaning.
_NEAR_WORDS, _SOME_WORDS = 0.8, 0.5
# And by its meaning alone: of ten times as many products one lies so much nearer by chance.
_NEAR_MEANING, _NEARER_OF_TEN = 0.33, 0.05
# Less is enough for a sentence of five words and more, which lies near less by chance, and beside
# some of the words.
_SENTENCE, _FOR_A_SENTENCE, _BESIDE_WORDS = 5, 0.03, 0.1
# Of the most that BM25 can give: what a title gives that has all words once.
_TITLED = 0.75
# What is written otherwise than it was typed comes after what is written so.
_OTHERWISE = 0.8
_RIVALRY = 0.12
# A product outside of a brand that the query names is hardly what it asks for. A category is often
# named in passing: "apple drink" asks for no apple.
_OUTSIDE_BRAND, _OUTSIDE_CATEGORY = 0.5, 0.85
# What a broad query asks for; how near a product comes besides orders them a little.
_BROADLY, _NEARNESS = 0.8, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Nearness:
    """How near each of n products comes to a query.

    `words`, `(n,)`, is the share of the query's words by their rarity, 1 where a title has them
    all; `meaning`, `(n,)`, the cosine of query and product as sentences, None where nobody has
    encoded the query. `inside`, `(n,)`, is 1 for products of the brand and the category that the
    query names, else less. `named` are the products whose title or code it names, `asked` the ones
    that have all that it names, where it does nothing but name things. `length` is how many words
    the query has.
    """

    words: Vectors
    meaning: Vectors | None
    inside: Vectors
    named: Numbers
    asked: Products | None
    length: int

    def mixed(self, lexical: float) -> Vectors:
        """`(n,)` relevance of which words make the share `lexical`, and meaning the rest."""
        best = float(self.words.max(initial=0.0))
        # The best product has the share of words that it has; others fall behind it as by BM25.
        words = self.words * (min(best, 1.0) ** 2 / best) if best else self.words
        if self.meaning is None:
            found = words * self.inside
        else:
            meaning = np.clip((self.meaning - _UNLIKE) / (_ALIKE - _UNLIKE), 0.0, 1.0)
            found = (lexical * words + (1.0 - lexical) * meaning) * self.inside
        found[self.named] = 1.0
        return np.asarray(found, np.float32)

    def near(self) -> Products:
        """`(n,)` which come so near that they are an answer.

        Queries for what a shop does not have lie below (docs/linking-and-search.md): words alone
        tell where almost all of them are there, meaning together with some of them, and meaning
        alone where it is nearer than that of some product would be by chance.
        """
        near = self.words >= _NEAR_WORDS
        near[self.named] = True
        if self.asked is not None:
            near |= self.asked
        if self.meaning is not None:
            alone = _NEAR_MEANING + _NEARER_OF_TEN * math.log10(max(len(self.words), 1))
            near |= self.meaning >= alone - _FOR_A_SENTENCE * (self.length >= _SENTENCE)
            near |= (self.words >= _SOME_WORDS) & (self.meaning >= alone - _BESIDE_WORDS)
        return near


class ProductRelevance:
    """The catalog prepared for many queries."""

    def __init__(self, catalog: SearchedCatalog, text_space: str = "") -> None:
        self._catalog = catalog
        self._cosine_scale = cosine_scale(text_space)

    def nearness(self, query: Query, vector: Vectors | None) -> Nearness:
        """How near each product comes to a query whose sentence vector is `vector`."""
        meaning = None if vector is None else self._catalog.facts @ vector / self._cosine_scale
        coded = self._catalog.words.by_code(self._catalog.analyzer.words(query.corrected))
        return Nearness(
            self._worded(query.concepts),
            meaning,
            self._inside(query),
            np.concatenate([self._titles_in(query.told), np.array(coded, np.intp)]),
            self._all_of(self._phrases(query)),
            len(query.corrected.split()),
        )

    def of_text(self, near: Nearness, admitted: Vectors, broad: Products | None = None) -> Vectors:
        """`(products,)` relevance to a query that comes so near.

        `admitted`, `(products,)`, is 0 for products that a filter leaves out: they hold no field.
        `broad` is what `broad` says of the query.
        """
        relevance = near.mixed(_LEXICAL)
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
        phrases = self._phrases(query)
        if not any(map(self._catalog.vocabulary.is_facet, phrases)):
            return None
        return self._all_of(phrases)

    def _phrases(self, query: Query) -> list[int]:
        """A query as names of things; none where it says anything else."""
        told = told_words(query.corrected, self._catalog.analyzer)
        return self._catalog.vocabulary.split(told)

    def _all_of(self, phrases: Sequence[int]) -> Products | None:
        """`(products,)` which have all that some phrases name; None where none has."""
        vocabulary, columns = self._catalog.vocabulary, self._catalog.columns
        inside = np.full(len(columns), bool(phrases))
        for phrase in phrases:
            inside &= vocabulary.products(phrase, columns)
        return inside if inside.any() else None

    def of_image(self, similarity: Mapping[int, float], admitted: Products) -> Vectors:
        """The same for a picture, from the cosine of each near product's best picture."""
        relevance = np.zeros(len(self._catalog), np.float32)
        for product, cosine in similarity.items():
            relevance[product] = max(cosine, 0.0)
        return _rivaled(relevance * admitted)

    def having(self, text: str) -> Products:
        """`(products,)` of which anything says all words of a text."""
        return self._catalog.words.having(told_words(text, self._catalog.analyzer))

    def weight(self, word: str) -> float:
        """How much a word narrows down what is asked for; one that no product has does most."""
        return self._catalog.words.weight(shared_form(word, self._catalog.analyzer))

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

    def _worded(self, concepts: Sequence[Concept]) -> Vectors:
        """`(products,)` BM25 of a query, as a share of what a title gives that has all of it."""
        scores = np.zeros(len(self._catalog), np.float32)
        most = 0.0
        for concept in concepts:
            own, weight = self._scores(concept)
            scores += own
            most += weight
        return np.asarray(scores / (_TITLED * most or 1.0), np.float32)

    def _scores(self, concept: Concept) -> tuple[Vectors, float]:
        """`(products,)` BM25 of a concept, however it is written, and what its words weigh."""
        words = self._catalog.words
        weight = sum(map(words.weight, concept.words))
        scores = words.scores(concept.words)
        for other in concept.alternatives:
            as_much = _OTHERWISE * weight / sum(map(words.weight, other))
            scores = np.maximum(scores, words.scores(other) * as_much)
        return scores, weight

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


def _rivaled(relevance: Vectors) -> Vectors:
    """Each relevance, falling off with its distance to the best one."""
    if not relevance.size:
        return relevance
    return np.asarray(relevance * np.exp((relevance - relevance.max()) / _RIVALRY), np.float32)
