"""What a shopper may be about to type is found by how its words begin."""

from reelshelf.indexer.search.suggestions import Suggestion, Suggestions, suggestions_of
from reelshelf.schemas.catalog import Product
from tests.support.catalogs import columns_of

ITEMS = Suggestions(
    [
        Suggestion("red shoes", "query"),
        Suggestion("Shoes", "category"),
        Suggestion("Red Shoes", "product"),
        Suggestion("Café Rouge", "brand"),
        Suggestion("Running Shoe Red", "product"),
    ]
)


def found(typed: str, count: int = 10) -> list[str]:
    return [one.text for one in ITEMS.find(typed, count)]


def test_any_word_may_begin_so_and_the_preferred_come_first() -> None:
    assert found("sh") == ["red shoes", "Shoes", "Running Shoe Red"]
    assert found("shoe r") == ["Running Shoe Red"]
    assert found("RED  s") == ["red shoes"]


def test_accents_and_case_do_not_count_and_texts_come_once() -> None:
    assert found("cafe") == ["Café Rouge"]
    assert found("red shoes") == ["red shoes"]


def test_what_nothing_begins_with_finds_nothing() -> None:
    assert found("boots") == []
    assert found("\U0010ffff") == []


def test_nothing_typed_gives_the_preferred_ones() -> None:
    assert found("", 2) == ["red shoes", "Shoes"]


def test_a_catalog_gives_categories_brands_and_titles_of_groups() -> None:
    columns = columns_of(
        [
            Product("A", "Ruby Kettle", category=("Home", "Kitchen")),
            Product("B", "Blue Kettle", category=("Home", "Kitchen")),
        ]
    )
    made = suggestions_of(columns, ["kettles on sale"])
    assert [(one.text, one.kind) for one in made.find("k", 9)] == [
        ("kettles on sale", "query"),
        ("Kitchen", "category"),
        ("Ruby Kettle", "product"),
        ("Blue Kettle", "product"),
    ]
