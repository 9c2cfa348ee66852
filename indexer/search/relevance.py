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
from functools import reduce

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
# So many products are looked at that have words of a query, and so many that are near in meaning:
# the best of them, however many there are.
_MOST_WORDED, _MOST_MEANT = 2_000, 1_000
# A product that has so small a share of the words that the best one has is none of these.
_FAR = 0.1
# No cosine is less: what is, stands for one that nobody has looked at.
_LOWEST = -0.9999
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


# What relevance to a text is made of.
PARTS = ("words", "meaning", "named")


@dataclass(frozen=True, slots=True, eq=False)
class Relevance:
    """How far m products are asked for: their places in rising order, `values` in 0..1.

    All others are not asked for.
    """

    places: Numbers
    values: Vectors

    @classmethod
    def none(cls) -> "Relevance":
        """That of a question that asks for no product."""
        return cls(np.zeros(0, np.intp), np.zeros(0, np.float32))

    def both(self, other: "Relevance") -> "Relevance":
        """What two questions ask for together: the geometric mean of both."""
        places, own, others = np.intersect1d(
            self.places, other.places, assume_unique=True, return_indices=True
        )
        mean = np.sqrt(self.values[own] * other.values[others])
        return Relevance(places, np.asarray(mean, np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Nearness:
    """How near products come to a query: the m of n that words, meaning or names lead to.

    `places`, `(m,)`, are theirs in rising order. `words`, `(m,)`, is the share of the query's words
    by their rarity, 1 where a title has them all; `meaning`, `(m,)`, the cosine of query and
    product as sentences, None where nobody has encoded the query. `inside`, `(m,)`, is 1 for
    products of the brand and the category that the query names, else less. `named` are the ones
    whose title or code it names, `asked` those that have all that it names, where it does nothing
    but name things; `broad` are the ones that a broad query asks for alike, None where it asks for
    something of its own. `length` is how many words the query has, `products` is n.
    """

    places: Numbers
    words: Vectors
    meaning: Vectors | None
    inside: Vectors
    named: Products
    asked: Products
    broad: Products | None
    length: int
    products: int

    def parts(self, lexical: float, rows: slice = slice(None)) -> Vectors:
        """`(m, 3)` what words, meaning and being named add to the relevance of `mixed`.

        Or `(rows, 3)` those of some rows.
        """
        best = float(self.words.max(initial=0.0))
        words, inside, named = self.words[rows], self.inside[rows], self.named[rows]
        found = np.zeros((len(words), len(PARTS)), np.float32)
        if best:
            # The best product has the share of words that it has; others fall behind as by BM25.
            found[:, 0] = words * (min(best, 1.0) ** 2 / best) * inside
        if self.meaning is not None:
            meaning = np.clip((self.meaning[rows] - _UNLIKE) / (_ALIKE - _UNLIKE), 0.0, 1.0)
            found[:, 0] *= lexical
            found[:, 1] = (1.0 - lexical) * meaning * inside
        found[named, 2] = 1.0 - found[named].sum(axis=1)
        return found

    def mixed(self, lexical: float) -> Vectors:
        """`(m,)` relevance of which words make the share `lexical`, and meaning the rest."""
        return np.asarray(self.parts(lexical).sum(axis=1), np.float32)

    def near(self) -> Products:
        """`(m,)` which come so near that they are an answer.

        Queries for what a shop does not have lie below (docs/linking-and-search.md): words alone
        tell where almost all of them are there, meaning together with some of them, and meaning
        alone where it is nearer than that of some product would be by chance.
        """
        near = (self.words >= _NEAR_WORDS) | self.named | self.asked
        if self.meaning is not None:
            alone = _NEAR_MEANING + _NEARER_OF_TEN * math.log10(max(self.products, 1))
            near |= self.meaning >= alone - _FOR_A_SENTENCE * (self.length >= _SENTENCE)
            near |= (self.words >= _SOME_WORDS) & (self.meaning >= alone - _BESIDE_WORDS)
        return near


class ProductRelevance:
    """The catalog prepared for many queries."""

    def __init__(self, catalog: SearchedCatalog, text_space: str = "") -> None:
        self._catalog = catalog
        self._cosine_scale = cosine_scale(text_space)

    def nearness(
        self, query: Query, vector: Vectors | None, admitted: Products | None = None
    ) -> Nearness:
        """How near products come to a query whose sentence vector is `vector`.

        `admitted`, `(products,)`, are those inside of all filters, None where all are: the nearest
        are looked for among them, and among all, which the others are measured by.
        """
        words = self._worded(query.concepts)
        coded = self._catalog.words.by_code(self._catalog.analyzer.words(query.corrected))
        named = np.concatenate([self._titles_in(query.told), np.array(coded, np.intp)])
        asked = self._all_of(self._phrases(query))
        broad = self._broad(query, asked)
        some = [_best(words, _MOST_WORDED), named, asked]
        if broad is not None:
            some.append(broad)
        if admitted is not None:
            some.append(_best(np.where(admitted, words, 0.0), _MOST_WORDED))
        cosines = None
        if vector is not None:
            cosines, meant = self._meant(vector, admitted)
            some.extend(meant)
        places = np.unique(np.concatenate(some)).astype(np.intp)
        meaning = None
        if vector is not None and cosines is not None:
            meaning = self._meaning(vector, cosines, places, words) / self._cosine_scale
        return Nearness(
            places,
            words[places],
            meaning,
            self._inside(query, places),
            np.isin(places, named),
            np.isin(places, asked),
            None if broad is None else np.isin(places, broad),
            len(query.corrected.split()),
            len(self._catalog),
        )

    def _meant(self, vector: Vectors, admitted: Products | None) -> tuple[Vectors, list[Numbers]]:
        """`(products,)` cosines, -1 where nobody looked, and the places of the nearest."""
        facts = self._catalog.facts
        cosines = np.full(len(self._catalog), -1.0, np.float32)
        places, own = facts.near(vector, admitted)
        if admitted is not None and not np.all(kept := admitted[places]):
            pairs = [(places, own), (places[kept], own[kept])]
        elif admitted is not None:
            # Nothing but what is inside was looked at: the nearest of all are looked for as well.
            pairs = [(places, own), facts.near(vector)]
        else:
            pairs = [(places, own)]
        meant = []
        for places, own in pairs:
            cosines[places] = own
            best = places
            if len(own) > _MOST_MEANT:
                best = places[np.argpartition(-own, _MOST_MEANT)[:_MOST_MEANT]]
            meant.append(best)
        return cosines, meant

    def _meaning(
        self, vector: Vectors, cosines: Vectors, places: Numbers, words: Vectors
    ) -> Vectors:
        """`(places,)` cosines, looked up where nobody has: of many places, of the best worded."""
        found = cosines[places]
        missing = np.flatnonzero(found < _LOWEST)
        if len(missing) > _MOST_WORDED:
            missing = missing[np.argsort(-words[places[missing]], kind="stable")[:_MOST_WORDED]]
        found[missing] = self._catalog.facts.cosines(vector, places[missing])
        return found

    def of_text(self, near: Nearness, admitted: Products | None = None) -> Relevance:
        """How far products are asked for by a query that comes so near.

        `admitted`, `(products,)`, are inside of all filters, None where all are: what a filter
        leaves out holds no field.
        """
        relevance = near.mixed(_LEXICAL)
        kept = np.ones(len(relevance), np.float32)
        if admitted is not None:
            kept = admitted[near.places].astype(np.float32)
        if near.broad is None:
            return Relevance(near.places, _rivaled(relevance * kept))
        # A product that is named as well stays ahead of the others.
        asked = np.where(relevance >= 1, 1.0, _BROADLY + _NEARNESS * relevance)
        # The rest rivals what is asked for, and not the other way round.
        rest = _rivaled(np.where(near.broad, 1.0, relevance).astype(np.float32) * kept)
        values = np.where(near.broad, asked * kept, rest)
        return Relevance(near.places, np.asarray(values, np.float32))

    def _broad(self, query: Query, asked: Numbers) -> Numbers | None:
        """What a broad query asks for alike: all where it names only a price.

        None where it asks for something of its own. `asked` has all that it names.
        """
        if not query.corrected and query.price is not None:
            return np.arange(len(self._catalog))
        names_kind = any(map(self._catalog.vocabulary.is_facet, self._phrases(query)))
        return asked if names_kind and len(asked) else None

    def _phrases(self, query: Query) -> list[int]:
        """A query as names of things; none where it says anything else."""
        return self._catalog.vocabulary.split(query.named)

    def _all_of(self, phrases: Sequence[int]) -> Numbers:
        """The products that have all that some phrases name."""
        vocabulary, columns = self._catalog.vocabulary, self._catalog.columns
        own = [vocabulary.products(phrase, columns) for phrase in phrases]
        return reduce(np.intersect1d, own) if own else np.zeros(0, np.intp)

    def of_image(
        self, similarity: Mapping[int, float], admitted: Products | None = None
    ) -> Relevance:
        """The same for a picture, from the cosine of each near product's best picture."""
        places = np.array(sorted(similarity), np.intp)
        values = np.array([max(similarity[place], 0.0) for place in places.tolist()], np.float32)
        if admitted is not None:
            values *= admitted[places]
        return Relevance(places, _rivaled(values))

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
        places = words.covered(told, _NAMED)
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
        words = self._catalog.words
        scores = np.zeros(len(words), np.float32)
        most = 0.0
        for concept in concepts:
            weight = sum(map(words.weight, concept.words))
            most += weight
            if not concept.alternatives:
                words.add_scores(concept.words, scores)
                continue
            own = words.scores(concept.words)
            for other in concept.alternatives:
                as_much = _OTHERWISE * weight / sum(map(words.weight, other))
                own = np.maximum(own, words.scores(other) * as_much)
            scores += own
        scores /= _TITLED * most or 1.0
        return scores

    def _inside(self, query: Query, places: Numbers) -> Vectors:
        """1 for products of the brand and category that the query names, else less."""
        columns = self._catalog.columns
        factors = np.ones(len(places), np.float32)
        named: tuple[tuple[Sequence[str], Labels, float], ...] = (
            (query.brands, columns.brands, _OUTSIDE_BRAND),
            (query.categories, columns.categories, _OUTSIDE_CATEGORY),
        )
        for names, labels, outside in named:
            numbers = [n for n in map(labels.find, names) if n is not None]
            if numbers:
                factors[~labels.any_of(numbers, places)] *= outside
        return factors


def _best(scores: Vectors, most: int) -> Numbers:
    """The places of the best scores, in no order; what is far from the best one is none of them."""
    best = float(scores.max(initial=0.0))
    places = np.flatnonzero(scores > _FAR * best) if best else np.zeros(0, np.intp)
    if len(places) > most:
        places = places[np.argpartition(-scores[places], most)[:most]]
    return places


def _rivaled(relevance: Vectors) -> Vectors:
    """Each relevance, falling off with its distance to the best one."""
    if not relevance.size:
        return relevance
    return np.asarray(relevance * np.exp((relevance - relevance.max()) / _RIVALRY), np.float32)
