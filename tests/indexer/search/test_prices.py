"""Prices in queries: the right way round, in the shop's currency, or said to filter nothing."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.search.prices import PriceRange, currencies_of, find_price

EUROS = frozenset({"EUR"})


@pytest.mark.parametrize(
    ("text", "least", "most", "rest"),
    [
        ("no more than 20 euro cap", None, "20", "cap"),
        ("cap not over 20 €", None, "20", "cap"),
        ("cap nothing over 20 euro", None, "20", "cap"),
        ("cap not less than 20 €", "20", None, "cap"),
        ("more than 20 euro cap", "20", None, "cap"),
        ("cap I don't want to spend more than 20 euro", None, "20", "cap I"),
        ("cap that should not cost more than 20 €", None, "20", "cap that should"),
        ("cap must not be over 20 €", None, "20", "cap must"),
        ("dont want to pay more than 20 € for a cap", None, "20", "for a cap"),
        ("I want over 20 euro", "20", None, "I want"),
        ("plant over 20 euro", "20", None, "plant"),
        ("elegant pants above 20 €", "20", None, "elegant pants"),
        ("nothing that costs more than 20 € cap", None, "20", "cap"),
        ("cap no > 20 €", None, "20", "cap"),
        ("cap < 20 €", None, "20", "cap"),
        ("cap not exceeding 20 €", None, "20", "cap"),
        ("cap no higher than 20 €", None, "20", "cap"),
        ("cap maximum of 20 euro", None, "20", "cap"),
        ("black not red over 20 euro", "20", None, "black not red"),
        ("air max 90 100-120 eur", "100", "120", "air max 90"),
        ("ps 5 100 to 150 €", "100", "150", "ps 5"),
        ("tv 1 000-1 200 eur", "1000", "1200", "tv"),
        ("max. 90 € lamp", None, "90", "lamp"),
        ("lamp 90 € max", None, "90", "lamp"),
        ("20 € or less lamp", None, "20", "lamp"),
        ("lamp 20 € and up", "20", None, "lamp"),
        ("lamp 50€+", "50", None, "lamp"),
        ("at least 50 euro lamp", "50", None, "lamp"),
        ("100-120 eur lamp", "100", "120", "lamp"),
        ("lamp €120 – €100", "100", "120", "lamp"),
        ("lamp from 100 to 120", "100", "120", "lamp"),
        ("from 100 to 120 euro lamp", "100", "120", "lamp"),
        ("lamp under 1 000 eur", None, "1000", "lamp"),
        ("lamp under 1\u202f000,50 €", None, "1000.50", "lamp"),
        ("lamp under € 1.299,00", None, "1299.00", "lamp"),
        ("lamp under 20,- eur", None, "20", "lamp"),
        ("Lampe nicht mehr als 30 Euro", None, "30", "Lampe"),
        ("Lampe höchstens 30 €", None, "30", "Lampe"),
        ("lampe pas plus de 30 euros", None, "30", "lampe"),
        ("lámpara no más de 30 euros", None, "30", "lámpara"),
        ("lámpara de 100 a 120 euros", "100", "120", "lámpara"),
    ],
)
def test_a_price_is_the_right_way_round(
    text: str, least: str | None, most: str | None, rest: str
) -> None:
    found = find_price(text, EUROS)
    bounds = [Decimal(bound) if bound else None for bound in (least, most)]
    assert found.price == PriceRange(*bounds)
    assert (found.text, found.left_out) == (rest, ())


@pytest.mark.parametrize(
    "text",
    ["shoes size from 38 to 40", "from 5 to 10 year old toys", "air max 90", "from here to there"],
)
def test_numbers_that_are_no_prices_stay(text: str) -> None:
    assert find_price(text, EUROS).text == text


def test_a_bare_range_of_numbers_that_the_catalog_writes_is_a_size() -> None:
    assert find_price("shoes from 38 to 40", EUROS, {"38", "40"}.__contains__).price is None
    assert find_price("shoes from 38 to 40 eur", EUROS, {"38", "40"}.__contains__).price


def test_a_number_that_the_catalog_writes_is_no_group_of_the_next() -> None:
    found = find_price("iphone 15 100 € or more", EUROS, {"15"}.__contains__)
    assert (found.text, found.price) == ("iphone 15", PriceRange(Decimal(100), None))


def test_a_currency_that_the_shop_does_not_use_filters_nothing_and_is_named() -> None:
    found = find_price("lamp under 100 dollars", EUROS)
    assert (found.text, found.price) == ("lamp", None)
    assert found.left_out == ("under 100 dollars",)


def test_a_dollar_is_that_of_the_shop() -> None:
    assert find_price("lamp under $100", frozenset({"CAD"})).price == PriceRange(None, Decimal(100))


def test_in_a_shop_of_two_currencies_a_price_admits_its_own() -> None:
    price = find_price("skor under 300 kr", frozenset({"EUR", "SEK"})).price
    assert price is not None
    assert price.admits(Decimal(299), "SEK")
    assert not price.admits(Decimal(299), "EUR")
    assert not price.admits(Decimal(301), "sek")


def test_a_shop_that_names_no_currency_takes_any() -> None:
    assert find_price("tea under 2000 yen", frozenset()).price == PriceRange(None, Decimal(2000))


@pytest.mark.parametrize(("name", "codes"), [("€", {"EUR"}), ("eur", {"EUR"}), ("XDR", {"XDR"})])
def test_a_currency_is_known_by_sign_and_code(name: str, codes: set[str]) -> None:
    assert currencies_of(name) == codes


@given(st.text(alphabet="0123456789 .,'-+€$<>éabfromtunderx", max_size=80))
def test_any_text_has_a_price_or_none(text: str) -> None:
    found = find_price(text, EUROS)
    if found.price is None and not found.left_out:
        assert found.text == text
    else:
        assert len(found.text) < len(text)
