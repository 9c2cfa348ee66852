"""What is not wanted is left out, as far as the catalog has a word for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.search.negation import Unwanted, find_unwanted

_KNOWN = {
    "red", "blue", "leather", "dark blue", "shoes", "cable", "kabel", "rojo", "cuir", "赤", "红色",
    "show", "no show",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "rest", "words"),
    [
        ("shoes not red", "shoes", ["red"]),
        ("shoes not red or blue", "shoes", ["red", "blue"]),
        ("shoes, no leather, no red", "shoes", ["leather", "red"]),
        ("lamp without a cable", "lamp", ["cable"]),
        ("shoes but not dark blue please", "shoes please", ["dark blue"]),
        ("shoes -red", "shoes", ["red"]),
        ("Lampe ohne Kabel", "Lampe", ["kabel"]),
        ("zapatos sin rojo", "zapatos", ["rojo"]),
        ("sac sans cuir", "sac", ["cuir"]),
        ("sac pas en cuir", "sac", ["cuir"]),
        ("赤以外の靴", "靴", ["赤"]),
        ("不要红色的鞋", "的鞋", ["红色"]),
    ],
)
def test_what_is_not_wanted_is_taken_out(text: str, rest: str, words: list[str]) -> None:
    assert find_unwanted(text, _KNOWN.__contains__) == Unwanted(rest, tuple(words))


@pytest.mark.parametrize(
    "text",
    ["shoes without a doubt", "no show socks", "no red", "t-shirt", "knot red", "not", "以外", ""],
)
def test_a_text_is_left_as_it_is(text: str) -> None:
    assert find_unwanted(text, _KNOWN.__contains__) == Unwanted(text, ())


@given(st.text(alphabet="no tred,-以外不要红色 wihu", max_size=60))
def test_any_text_has_unwanted_words_that_are_known_or_none(text: str) -> None:
    found = find_unwanted(text, _KNOWN.__contains__)
    assert set(found.words) <= _KNOWN
    assert found.words or found.text == text
