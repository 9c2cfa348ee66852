"""Spelling: what is a word of its own stays, what is none becomes the shop's nearest."""

import numpy as np
import pytest

from reelshelf.indexer.search.spelling import Spelling, least_products
from reelshelf.indexer.text import Strings

NAMES = (
    "basket willow plants shoes honey sports running headphones granite garlic lemon juice stool "
    "cucumber television fjellvind"
)


def spelling(counts: dict[str, int], products: int) -> Spelling:
    words = sorted(counts)
    return Spelling(Strings.of(words), np.array([counts[word] for word in words]), products)


SHOP = spelling({"morning": 0} | dict.fromkeys(NAMES.split(), 1), 40)
# Words that the sentence encoder knows: they mean something, in this shop or in none.
MEANT = {"jacket", "blanket", "pillow", "pants", "shorts", "phone", "trial", "clove"}


@pytest.mark.parametrize(
    "word",
    ["jacket", "blanket", "pillow", "pants", "shorts", "phones", "cloves", "morning", "xyzzy"],
)
@pytest.mark.parametrize("knows", [MEANT.__contains__, None])
def test_a_word_of_its_own_stays(word: str, knows: object) -> None:
    assert SHOP.correct(word, knows) == word  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("galic", "garlic"),
        ("lemn", "lemon"),
        ("uice", "juice"),
        ("stol", "stool"),
        ("ccuumber", "cucumber"),
        ("televison", "television"),
        ("hedphnes", "headphones"),
    ],
)
def test_a_word_that_finds_nothing_is_corrected(typed: str, meant: str) -> None:
    assert SHOP.correct(typed, MEANT.__contains__) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("runing", "running"), ("graniet", "granite"), ("fjelvind", "fjellvind"), ("lemn", "lemn")],
)
def test_where_nobody_knows_meanings_only_slips_are_corrected(typed: str, meant: str) -> None:
    assert SHOP.correct(typed, None) == meant


def test_what_is_said_in_a_video_is_no_misspelling() -> None:
    assert SHOP.correct("lemmon", {"lemmon"}.__contains__) == "lemmon"


def test_the_more_frequent_of_two_near_words_is_meant() -> None:
    shop = spelling({"lamp": 9, "lams": 1}, 10)
    assert shop.correct("lamz", lambda _: False) == "lamp"


def test_in_a_large_shop_a_word_of_one_title_corrects_nothing() -> None:
    once = spelling({"televisoin": 1, "television": 300}, 20_000)
    assert once.correct("televisoon", lambda _: False) == "television"
    assert [least_products(n) for n in (0, 46, 1_000, 20_000, 1_000_000)] == [1, 1, 2, 3, 5]
