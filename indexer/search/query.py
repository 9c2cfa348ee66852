"""What a shopper's words ask for: spelling corrected, and filters recognized in the text.

Everything is learned from the catalog: its words, brands, categories, attribute values and
currencies. Words that bound a price are the one thing that is bound to languages (`prices`).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from reelshelf.indexer.search.negation import find_unwanted, is_negation
from reelshelf.indexer.search.prices import PriceRange, currencies_of, find_price
from reelshelf.indexer.search.spelling import Knows, Spelling
from reelshelf.indexer.text.analyzer import base_form
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.catalog import Product

Phrase: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A query after analysis.

    `text` is what was asked without its price and without what is not wanted, which `excluded` has
    in lower case; `corrected` the same in plain words with spelling corrected against the catalog,
    `corrections` what was changed, as typed and as taken.
    `brands`, `categories` and `values` (of attributes, colors among them) are those of the
    catalog that the text names, as word tuples; `written` has these as the catalog writes them.
    `notes` say in words what was not done as asked.
    """

    text: str
    corrected: str
    price: PriceRange | None
    brands: frozenset[tuple[str, ...]]
    categories: frozenset[tuple[str, ...]]
    values: frozenset[tuple[str, ...]]
    excluded: tuple[str, ...] = ()
    corrections: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    written: Mapping[Phrase, str] = field(default_factory=dict)

    def names(self, phrases: Iterable[Phrase]) -> list[str]:
        """Brands, categories or values of the text, as the catalog writes them."""
        return sorted({self.written[phrase] for phrase in phrases})


class QueryAnalyzer:
    """Knows the words of one catalog.

    `knows` tells whether a word that the catalog does not have finds something all the same: in a
    video, or by its meaning.
    """

    def __init__(self, catalog: CatalogIndex, knows: Knows | None = None) -> None:
        products = [item.product for item in catalog.products]
        self._knows = knows
        self._words = catalog.analyzer
        words = self._words.words
        self._written: dict[Phrase, str] = {}
        self._categories = self._phrases(part for p in products for part in p.category)
        self._values = self._phrases(value for p in products for _, value in p.attributes)
        # "apple" is a brand and a fruit: where a word may mean either, nothing is left out for it.
        brands = self._phrases(p.brand for p in products if p.brand)
        meant_otherwise = self._categories.keys() | self._values.keys()
        self._brands = {p: names for p, names in brands.items() if p not in meant_otherwise}
        named = Counter(w for p in products for w in {w for t in _names(p) for w in words(t)})
        # "no show socks" are called so, and leave no show out.
        self._negated = {
            pair for p in products for pair in pairwise(words(p.title)) if is_negation(pair[0])
        }
        # A word that any description uses is spelled right, whatever it resembles.
        described = frozenset(w for p in products for w in words(p.description or ""))
        self._spelling = Spelling.of(named, described, len(products))
        priced = {p.currency for p in products if p.price is not None and p.currency}
        self._currencies = frozenset(code for name in priced for code in currencies_of(name))

    def _phrases(self, texts: Iterable[str]) -> dict[Phrase, frozenset[Phrase]]:
        """Texts of the catalog as words, by the forms that other forms of these words share."""
        found: dict[Phrase, set[Phrase]] = defaultdict(set)
        for text in texts:
            if phrase := tuple(self._words.words(text)):
                found[tuple(base_form(word, self._words) for word in phrase)].add(phrase)
                self._written.setdefault(phrase, text)
        return {base: frozenset(phrases) for base, phrases in found.items()}

    def _is_known(self, text: str) -> bool:
        """Whether a name in the catalog has a word, or is several together."""
        words = tuple(self._words.words(text))
        if len(words) == 1:
            return any(form in self._spelling.counts for form in self._words.forms(words[0]))
        bases = tuple(base_form(word, self._words) for word in words)
        named = (self._brands, self._categories, self._values)
        return words in self._negated or any(bases in phrases for phrases in named)

    def analyze(self, text: str, *, correct: bool = True) -> Query:
        """Analyze what a shopper typed; where not `correct`, its words are taken as they are."""
        found = find_price(text, self._currencies, self._spelling.known.__contains__)
        wanted = find_unwanted(found.text, self._is_known)
        typed = self._words.words(wanted.text)
        taken = [self._spelling.correct(w, self._knows) for w in typed] if correct else typed
        bases = [base_form(word, self._words) for word in taken]
        changed = dict(pair for pair in zip(typed, taken, strict=True) if pair[0] != pair[1])
        shop = " and ".join(sorted(self._currencies))
        brands, categories, values = (
            _named_in(bases, phrases) for phrases in (self._brands, self._categories, self._values)
        )
        return Query(
            text=wanted.text,
            corrected=" ".join(taken),
            price=found.price,
            brands=brands,
            categories=categories,
            values=values,
            excluded=wanted.words,
            corrections=tuple(changed.items()),
            notes=tuple(
                f'"{phrase}" filters nothing: prices here are in {shop}'
                for phrase in found.left_out
            ),
            written={phrase: self._written[phrase] for phrase in brands | categories | values},
        )


def _names(product: Product) -> list[str]:
    values = [value for _, value in product.attributes]
    return [product.title, product.brand or "", *product.category, *values]


def _named_in(
    asked: Sequence[str], phrases: Mapping[Phrase, frozenset[Phrase]]
) -> frozenset[Phrase]:
    """The phrases that stand in a query, as the catalog has them."""
    found: set[Phrase] = set()
    longest = max(map(len, phrases), default=0)
    for start in range(len(asked)):
        for length in range(1, min(longest, len(asked) - start) + 1):
            found |= phrases.get(tuple(asked[start : start + length]), frozenset())
    return frozenset(found)
