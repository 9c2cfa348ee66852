"""What rules do to results: which hold, on what, and in which order."""

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.search.curation import Applied, Curation, with_pins
from reelshelf.indexer.search.product_search import ProductSearch
from reelshelf.indexer.search.rule_check import contradictions, out_of_time, unheard
from reelshelf.schemas.errors import InputError
from reelshelf.schemas.rules import Rules
from tests.support.catalogs import CATALOG, SEARCHED, videos_of

NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
VIDEOS = videos_of(["v1", "v2", "v3"])
SEARCH = ProductSearch(SEARCHED)


def curation(**rules: list[Mapping[str, object]]) -> Curation:
    return Curation(Rules.model_validate(rules), SEARCHED, VIDEOS)


def applied(text: str, language: str | None = None, **rules: list[Mapping[str, object]]) -> Applied:
    return curation(**rules).apply([text], language, NOW)


def place(sku: str) -> int:
    return CATALOG.index_of[sku]


@pytest.mark.parametrize(
    ("match", "text", "holds"),
    [
        ("exact", "running shoes", True),
        ("exact", "Running Shoe", True),
        ("exact", "red running shoes", False),
        ("contains", "red running shoes", True),
        ("contains", "running red shoes", False),
        ("contains", "shoes", False),
    ],
)
def test_a_rule_holds_for_its_queries_in_any_form(match: str, text: str, holds: bool) -> None:
    rule = {"query": "running shoes", "match": match, "to": "/sale"}
    assert (applied(text, redirect=[rule]).redirect == "/sale") is holds


def test_a_rule_of_a_language_holds_where_the_shopper_s_is_not_another() -> None:
    rule = {"query": "gift", "language": "de", "to": "/gift"}
    found = [applied("gift", language, redirect=[rule]).redirect for language in ("de", "en", None)]
    assert found == ["/gift", None, "/gift"]


def test_rules_without_queries_hold_for_all_and_multiply() -> None:
    found = applied(
        "anything",
        boost=[{"filter": "category=Shoes", "by": 3}],
        bury=[{"query": "anything", "skus": "BOOT", "by": 0.5}],
    )
    factors = dict(zip(CATALOG.index_of, found.of_products(np.arange(len(CATALOG))), strict=True))
    ruled = {"SHOE-R": 3.0, "SHOE-B": 3.0, "BOOT": 1.5}
    assert factors == dict.fromkeys(CATALOG.index_of, 1.0) | ruled


def test_what_is_hidden_is_not_listed_though_it_is_pinned_and_boosted() -> None:
    found = applied(
        "shoes",
        hide=[{"skus": ["JUICE", "BOOT"], "videos": ["v2", "v1"]}],
        pin=[{"query": "shoes", "skus": ["BOOT", "APPLE"], "videos": ["v2", "v3"], "at": 2}],
        boost=[{"skus": "BOOT"}],
    )
    assert {(pin.at, pin.in_row, pin.is_product, pin.place) for pin in found.pins} == {
        (2, 2, True, place("APPLE")),
        (2, 4, False, 2),
    }
    listed = found.on_list(SEARCH.list(SEARCH.ask(SEARCH.analyze("shoes"))))
    assert set(SEARCHED.columns.skus.some(listed.places)) == {"SHOE-R", "SHOE-B"}
    assert found.of_videos(np.arange(3)).tolist() == [0.0, 0.0, 1.0]
    assert not found.shows(place("BOOT"), product=True)


def test_a_boost_moves_what_is_listed_and_nothing_else() -> None:
    plain = SEARCH.list(SEARCH.ask(SEARCH.analyze("shoes")))
    last = int(plain.places[-1])
    sku = SEARCHED.columns.skus.at(last)
    found = applied("shoes", boost=[{"skus": [sku, "JUICE"], "by": 50}]).on_list(plain)
    assert int(found.places[0]) == last
    assert sorted(found.places.tolist()) == sorted(plain.places.tolist())


def test_words_stand_for_others_both_ways_or_one_way() -> None:
    own = curation(
        synonyms=[
            {"words": ["footwear", "shoes"]},
            {"words": ["breakfast drink"], "means": ["orange juice"]},
        ]
    ).synonyms(None, NOW)
    query = SEARCH.analyze("red footwear", synonyms=own)
    assert query.categories == ("Shoes",)
    assert SEARCH.answers(SEARCH.ask(query))
    drink = SEARCH.analyze("breakfast drink", synonyms=own)
    best = SEARCH.list(SEARCH.ask(drink)).places[0]
    assert SEARCHED.columns.skus.at(int(best)) == "JUICE"
    assert not SEARCH.answers(SEARCH.ask(SEARCH.analyze("breakfast drink")))
    juice = SEARCH.analyze("orange juice", synonyms=own)
    assert all(not concept.alternatives for concept in juice.concepts)


def test_a_word_of_a_rule_is_not_corrected() -> None:
    own = curation(synonyms=[{"words": "shoos", "means": "juice"}]).synonyms(None, NOW)
    assert SEARCH.analyze("fjelvind").corrected == "fjellvind"
    ruled = curation(synonyms=[{"words": "fjelvind", "means": "juice"}]).synonyms(None, NOW)
    assert SEARCH.analyze("fjelvind", synonyms=ruled).corrected == "fjelvind"
    assert SEARCH.analyze("shoos", synonyms=own).corrected == "shoos"


def test_what_the_release_does_not_have_is_told_by_its_rule() -> None:
    own = curation(
        hide=[{"skus": ["BOOT", "GONE"], "videos": ["v9"]}, {"filter": "brand=Nobody"}],
        redirect=[{"query": "...", "to": "/x", "name": "dots"}],
    )
    assert {(remark.rule, remark.told) for remark in own.unknown} == {
        ("hide 1", "no product 'GONE'"),
        ("hide 1", "no video 'v9'"),
        ("hide 2", "no product is brand=Nobody"),
        ("redirect 1 (dots)", "'...' has no word"),
    }
    assert not own.apply(["anything"], None, NOW).redirect
    with pytest.raises(InputError, match="hide 1: filter colour=red"):
        curation(hide=[{"filter": "colour=red"}])


@given(
    st.lists(st.integers(0, 30), unique=True, max_size=12),
    st.dictionaries(st.integers(0, 15), st.integers(0, 40), max_size=4),
)
def test_pins_stand_at_their_places_and_everything_once(
    found: list[int], wanted: dict[int, int]
) -> None:
    pins, seen = [], set()
    for at, value in sorted(wanted.items()):
        if value not in seen:
            pins.append((at, value))
            seen.add(value)
    shown = list(with_pins(found, pins, seen.__contains__))
    assert sorted(shown) == sorted({*found, *seen})
    for at, value in pins:
        assert shown.index(value) == min(at, shown.index(value))
        if at < len(shown) - sum(other > at for other, _ in pins):
            assert shown[at] == value
    assert [one for one in shown if one not in seen] == [one for one in found if one not in seen]


def test_contradictions_and_rules_out_of_time_are_remarked() -> None:
    rules = Rules.model_validate(
        {
            "pin": [
                {"query": "shoes", "skus": ["BOOT", "SHOE-R"]},
                {"query": "shoe", "skus": "SHOE-B", "at": 2},
                {"query": "shoes", "skus": "SHOE-B", "at": 2, "language": "de"},
                {"query": "apple", "skus": "APPLE", "before": NOW},
            ],
            "hide": [{"skus": "BOOT"}, {"query": "juice", "skus": "SHOE-R"}],
            "redirect": [{"query": "x", "to": "/a"}, {"query": ["y", "x"], "to": "/b"}],
            "synonyms": [{"words": ["zzz", "yyy"]}, {"words": "zzz", "means": "shoes"}],
        }
    )
    named = list(rules.named())
    assert [remark.rule for remark in contradictions(named, SEARCHED)] == [
        *("pin 2", "pin 3", "hide 1", "pin 3", "redirect 2"),
    ]
    assert [remark.rule for remark in out_of_time(named, NOW)] == ["pin 4"]
    assert [remark.rule for remark in unheard(named, SEARCHED)] == ["synonyms 1"]
