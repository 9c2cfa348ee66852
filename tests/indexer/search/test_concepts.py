"""What is written in one word or in two, or in another unit, is the same."""

import pytest

from reelshelf.indexer.search.concepts import Concept, Concepts
from reelshelf.indexer.search.vocabulary import told_words
from reelshelf.indexer.search.words import ProductWords
from reelshelf.indexer.text import analyzer_of
from reelshelf.schemas.catalog import Product

ANALYZER = analyzer_of("icu", ("en",))
TITLES = [
    "Headset Black",
    "Kaffee Maschine",
    "Monitor 68.6 cm",
    "Disk 1 TB",
    "Cover 20 cm",
    "Mouse",
]
WORDS = ProductWords.read([Product(f"S-{n}", t) for n, t in enumerate(TITLES)], ANALYZER)
CONCEPTS = Concepts(WORDS, ANALYZER)


def read(text: str) -> tuple[Concept, ...]:
    return CONCEPTS.read(told_words(text, ANALYZER))


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("head set", Concept(("head", "set"), (("headset",),))),
        ("kaffeemaschine", Concept(("kaffeemaschin",), (("kaffe", "maschin"),))),
        ("27 inch", Concept(("27in",), (("68.6cm",),))),
        ("1000 GB", Concept(("1000gb",), (("1tb",),))),
    ],
)
def test_it_is_found_as_the_catalog_writes_it(text: str, concept: Concept) -> None:
    assert read(text) == (concept,)


def test_a_word_of_the_catalog_is_taken_as_it_is() -> None:
    assert read("black headset") == (Concept(("black",)), Concept(("headset",)))


def test_a_size_that_nothing_has_asks_for_nothing() -> None:
    assert read("monitor 99 inch") == (Concept(("monitor",)),)


@pytest.mark.parametrize("text", ["", "xqzptl", "27 28 29", "ab"])
def test_what_is_not_known_stays_what_it_is(text: str) -> None:
    assert [one.alternatives for one in read(text)] == [()] * len(read(text))
