"""Strings and rows of numbers as flat arrays answer as dictionaries and lists would."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.text import lookup
from reelshelf.indexer.text.lookup import Rows, Strings, numbered
from reelshelf.indexer.text.misread import MisreadWords

ROWS = st.lists(st.lists(st.integers(0, 9), max_size=5, unique=True), max_size=12)
WORDS = st.text(alphabet="abcde", min_size=1, max_size=9)


@given(texts=st.lists(st.text(), max_size=20), asked=st.text())
def test_strings_are_found_by_dictionary_and_by_bisection(texts: list[str], asked: str) -> None:
    texts = [text for text in texts if text.isprintable()]
    strings = Strings.of(texts)
    with pytest.MonkeyPatch.context() as patch:
        for most in (100, 0):
            patch.setattr(lookup, "_MOST_OBJECTS", most)
            assert {text: strings[text] for text in texts} == {
                text: place for place, text in enumerate(sorted(set(texts)))
            }
            assert (asked in strings) == (asked in texts)


@given(rows=ROWS)
def test_rows_are_what_was_given_and_inverted_what_has_each(rows: list[list[int]]) -> None:
    found = Rows.of(rows)
    assert [row.tolist() for row in found] == rows
    having = [row.tolist() for row in found.inverted(10)]
    assert having == [[i for i, row in enumerate(rows) if n in row] for n in range(10)]
    some = np.arange(len(rows))[::2]
    assert found.together(some).tolist() == [n for row in rows[::2] for n in row]


@given(rows=st.lists(st.lists(WORDS, max_size=4), max_size=8))
def test_numbered_rows_stand_for_their_texts(rows: list[list[str]]) -> None:
    strings, found = numbered(rows)
    assert [[strings.at(number) for number in row.tolist()] for row in found] == rows
    again = pickle.loads(pickle.dumps(strings))
    assert list(again) == sorted({text for row in rows for text in row})


@given(
    words=st.sets(WORDS, max_size=30),
    asked=WORDS,
    least=st.sampled_from([60.0, 75.0, 80.0, 90.0]),
)
def test_misread_words_are_those_that_a_comparison_with_all_finds(
    words: set[str], asked: str, least: float
) -> None:
    from rapidfuzz import fuzz

    strings = Strings.of(words)
    found = MisreadWords(strings, np.arange(len(strings)), least).find(asked)
    alike = {word: fuzz.ratio(asked, word) / 100.0 for word in words}
    assert {strings.at(number): close for number, close in found} == {
        word: close for word, close in alike.items() if close >= least / 100.0
    }


@given(rows=ROWS, data=st.data())
def test_a_row_has_any_whose_flag_is_set(rows: list[list[int]], data: st.DataObject) -> None:
    own = Rows.of(rows)
    size = len(own.values)
    flags = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool)
    expected = [any(flags[own.starts[n] : own.starts[n + 1]]) for n in range(len(rows))]
    assert own.any_of(flags).tolist() == expected
