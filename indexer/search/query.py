"""What a shopper's words ask for: spelling corrected, and filters recognized in the text.

Everything is learned from the catalog: its words, brands, categories, attribute values and
currencies. Words that bound a price are the one thing that is bound to languages (`prices`).
"""

import re
from dataclasses import dataclass

import numpy as np

from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.concepts import NO_SYNONYMS, Concept, Concepts, SynonymTable, Words
from reelshelf.indexer.search.forms import shared_form
from reelshelf.indexer.search.labels import Labels
from reelshelf.indexer.search.negation import find_unwanted
from reelshelf.indexer.search.prices import PriceRange, currencies_of, find_price
from reelshelf.indexer.search.spelling import Knows, Spelling
from reelshelf.indexer.search.vocabulary import Named, told_words
from reelshelf.indexer.text import Rows


@dataclass(frozen=True, slots=True)
class Query:
    """A query after analysis.

    `text` is what was asked without its price and without what is not wanted, which `excluded` has
    in lower case; `corrected` the same in plain words with spelling corrected against the catalog,
    `corrections` what was changed, as typed and as taken, `respelled` the whole text so.
    `brands`, `categories` and `values` (of attributes, colors among them) are those of the
    catalog that the text names, as the catalog writes them. `currency` is what `price` is in, and
    `foreign` a price in one that the shop does not use: it filters nothing.
    `concepts` are what is asked of words, with other ways to write it; `named` the same words as
    names of things are looked for in them, where a rule says that a word that names nothing stands
    for one that does.
    `notes` say in words what was not done as asked.
    """

    text: str
    corrected: str
    price: PriceRange | None
    currency: str | None = None
    foreign: PriceRange | None = None
    brands: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    corrections: tuple[tuple[str, str], ...] = ()
    respelled: str = ""
    notes: tuple[str, ...] = ()
    concepts: tuple[Concept, ...] = ()
    named: tuple[str, ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """The words that say something, each once, in the form that their other forms share."""
        return tuple(dict.fromkeys(word for one in self.concepts for word in one.words))


class QueryAnalyzer:
    """Knows the words of one catalog.

    `knows` tells whether a word that the catalog does not have finds something all the same: in a
    video, or by its meaning.
    """

    def __init__(self, catalog: SearchedCatalog, knows: Knows | None = None) -> None:
        self._catalog = catalog
        self._knows = knows
        self._vocabulary = vocabulary = catalog.vocabulary
        self._words = catalog.analyzer
        self._spelling = Spelling(vocabulary.spelled, vocabulary.counts, len(catalog))
        self._concepts = Concepts(catalog.words, catalog.analyzer)
        self._currencies = _usual_first(catalog.columns.currencies)

    def _is_known(self, text: str) -> bool:
        """Whether the catalog has a word that says something, or several as the name of a thing."""
        words = self._words.words(text)
        if len(words) == 1:
            base = shared_form(words[0], self._words)
            return base in self._catalog.words.words and not self._words.is_stopword(words[0])
        told = told_words(text, self._words)
        # "not red" is no name, though what it says is one.
        is_name = len(told) == len(words) and " ".join(told) in self._vocabulary.phrases
        return is_name or " ".join(words) in self._vocabulary.negated

    def analyze(
        self,
        text: str,
        *,
        correct: bool = True,
        synonyms: SynonymTable = NO_SYNONYMS,
    ) -> Query:
        """Analyze what a shopper typed; where not `correct`, its words are taken as they are.

        `synonyms` are what words stand for by rule; such words need no correction.
        """
        found = find_price(text, self._currencies, self._vocabulary.spelled.__contains__)
        wanted = find_unwanted(found.text, self._is_known)
        typed = self._words.words(wanted.text)
        taken = [
            word
            if not correct or shared_form(word, self._words) in synonyms.words
            else self._spelling.correct(word, self._knows)
            for word in typed
        ]
        changed = dict(pair for pair in zip(typed, taken, strict=True) if pair[0] != pair[1])
        shop = " and ".join(sorted(self._currencies))
        corrected = " ".join(taken)
        told = told_words(corrected, self._words)
        concepts = self._concepts.read(told, synonyms)
        meant = [word for one in concepts for word in self._as_named(one)]
        named = self._vocabulary.find(meant)
        columns, vocabulary = self._catalog.columns, self._vocabulary
        return Query(
            text=wanted.text,
            corrected=corrected,
            price=found.price,
            currency=found.currency,
            foreign=found.foreign,
            brands=_names(
                [one for one in named if vocabulary.means_brand(one.phrase, columns)],
                vocabulary.brands,
                columns.brands,
            ),
            categories=_names(named, vocabulary.categories, columns.categories),
            values=_names(named, vocabulary.values, columns.values),
            excluded=wanted.words,
            corrections=tuple(changed.items()),
            respelled=_respelled(text, changed),
            notes=tuple(
                f'"{phrase}" filters nothing: prices here are in {shop}'
                for phrase in found.left_out
            ),
            concepts=concepts,
            named=tuple(meant),
        )

    def _as_named(self, concept: Concept) -> Words:
        """The words of a concept that are the name of something, if any are."""
        ways = (concept.words, *concept.alternatives)
        known = (own for own in ways if " ".join(own) in self._vocabulary.phrases)
        return next(known, concept.words)


def _usual_first(currencies: Labels) -> tuple[str, ...]:
    """The ISO codes that prices are in, that of the most products first."""
    by_count = np.argsort(-currencies.having.sizes(), kind="stable")
    names = [currencies.written[number] for number in by_count.tolist()]
    return tuple(dict.fromkeys(code for name in names for code in sorted(currencies_of(name))))


def _names(named: list[Named], rows: Rows, labels: Labels) -> tuple[str, ...]:
    """What a query names of one kind, as the catalog writes it."""
    numbers = (int(number) for one in named for number in rows[one.phrase])
    return tuple(sorted({labels.written[number] for number in numbers}))


def _respelled(text: str, changed: dict[str, str]) -> str:
    """A text with words replaced where they stand."""
    for typed, taken in changed.items():
        text = re.sub(rf"(?<!\w){re.escape(typed)}(?!\w)", taken, text, flags=re.IGNORECASE)
    return text
