"""Prices in queries: the right way round, in the shop's currency, or said to filter nothing."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.search.prices import FoundPrice, PriceRange, currencies_of, find_price

EUROS, DOLLARS, YEN, YUAN = ("EUR",), ("USD",), ("JPY",), ("CNY",)


def bounded(
    rest: str, least: str | None, most: str | None, shop: tuple[str, ...] = EUROS
) -> FoundPrice:
    bounds = [Decimal(bound) if bound else None for bound in (least, most)]
    return FoundPrice(rest, PriceRange(*bounds), shop[0])


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
    assert find_price(text, EUROS) == bounded(rest, least, most)


# What shoppers of six languages type, each in the shop of a currency.
@pytest.mark.parametrize(
    ("text", "shop", "least", "most", "rest"),
    [
        ("headphones under 50", EUROS, None, "50", "headphones"),
        ("headphones below 50 please", EUROS, None, "50", "headphones please"),
        ("headphones cheaper than 50", EUROS, None, "50", "headphones"),
        ("mug between 10 and 20", EUROS, "10", "20", "mug"),
        ("mug between 10 and 20 euros", EUROS, "10", "20", "mug"),
        ("lamp around 60 euro", EUROS, "40", "80", "lamp"),
        ("lamp around 60", EUROS, "40", "80", "lamp"),
        ("lamp about 60 €", EUROS, "40", "80", "lamp"),
        ("lamp 60 € or so", EUROS, "40", "80", "lamp"),
        ("laptop under 1k", EUROS, None, "1000", "laptop"),
        ("laptop under 1.5k euro", EUROS, None, "1500", "laptop"),
        ("gift on a budget of 30 euro", EUROS, None, "30", "gift"),
        ("gift budget 30", EUROS, None, "30", "gift"),
        ("gum under 99 cents", EUROS, None, "0.99", "gum"),
        ("shoes for less than 80 euro", EUROS, None, "80", "shoes"),
        ("shoes priced under 80", EUROS, None, "80", "shoes"),
        ("Lampe unter 30", EUROS, None, "30", "Lampe"),
        ("Lampe für unter 30 Euro", EUROS, None, "30", "Lampe"),
        ("Lampe zwischen 20 und 40 Euro", EUROS, "20", "40", "Lampe"),
        ("Lampe zwischen 20 und 40", EUROS, "20", "40", "Lampe"),
        ("Lampe um die 60 Euro", EUROS, "40", "80", "Lampe"),
        ("Lampe ca. 60 €", EUROS, "40", "80", "Lampe"),
        ("Lampe ungefähr 60 Euro", EUROS, "40", "80", "Lampe"),
        ("Lampe ab 20 Euro", EUROS, "20", None, "Lampe"),
        ("Lampe bis 50 Euro", EUROS, None, "50", "Lampe"),
        ("Lampe bis zu 50", EUROS, None, "50", "Lampe"),
        ("Lampe mindestens 20 Euro", EUROS, "20", None, "Lampe"),
        ("Lampe 20 bis 40 Euro", EUROS, "20", "40", "Lampe"),
        ("Lampe über 100 Euro", EUROS, "100", None, "Lampe"),
        ("lampe moins de 30 euros", EUROS, None, "30", "lampe"),
        ("lampe à moins de 30 euros", EUROS, None, "30", "lampe"),
        ("lampe moins de 30", EUROS, None, "30", "lampe"),
        ("lampe entre 20 et 40 euros", EUROS, "20", "40", "lampe"),
        ("lampe environ 60 euros", EUROS, "40", "80", "lampe"),
        ("lampe autour de 60 €", EUROS, "40", "80", "lampe"),
        ("lampe aux alentours de 60 euros", EUROS, "40", "80", "lampe"),
        ("lampe à partir de 20 euros", EUROS, "20", None, "lampe"),
        ("lampe au moins 20 €", EUROS, "20", None, "lampe"),
        ("lampe jusqu'à 50 euros", EUROS, None, "50", "lampe"),
        ("lampe jusqu’à 50 €", EUROS, None, "50", "lampe"),
        ("lampe au maximum 50 euros", EUROS, None, "50", "lampe"),
        ("lampe plus de 50 euros", EUROS, "50", None, "lampe"),
        ("lampe de 20 à 40 euros", EUROS, "20", "40", "lampe"),
        ("lámpara menos de 30 euros", EUROS, None, "30", "lámpara"),
        ("lámpara por menos de 30", EUROS, None, "30", "lámpara"),
        ("lámpara entre 20 y 40 euros", EUROS, "20", "40", "lámpara"),
        ("lámpara alrededor de 60 euros", EUROS, "40", "80", "lámpara"),
        ("lámpara unos 60 euros", EUROS, "40", "80", "lámpara"),
        ("lámpara hasta 50 euros", EUROS, None, "50", "lámpara"),
        ("lámpara desde 20 euros", EUROS, "20", None, "lámpara"),
        ("lámpara a partir de 20 €", EUROS, "20", None, "lámpara"),
        ("lámpara como máximo 50 euros", EUROS, None, "50", "lámpara"),
        ("lámpara al menos 20 euros", EUROS, "20", None, "lámpara"),
        ("lámpara más de 50 euros", EUROS, "50", None, "lámpara"),
        ("lámpara 50 euros como mucho", EUROS, None, "50", "lámpara"),
        ("1000円以下のランプ", YEN, None, "1000", "ランプ"),
        ("ランプ 1000円以下", YEN, None, "1000", "ランプ"),
        ("ランプ 1,000円以上", YEN, "1000", None, "ランプ"),
        ("ランプ 1000円未満", YEN, None, "1000", "ランプ"),
        ("ランプ 1000円から2000円", YEN, "1000", "2000", "ランプ"),
        ("ランプ 1000円〜2000円", YEN, "1000", "2000", "ランプ"),
        ("ランプ 1000~2000円", YEN, "1000", "2000", "ランプ"),
        ("ランプ 3000円くらい", YEN, "2000", "4000", "ランプ"),
        ("ランプ 約3000円", YEN, "2000", "4000", "ランプ"),
        ("ランプ 3000円前後", YEN, "2000", "4000", "ランプ"),
        ("ランプ 1万円以下", YEN, None, "10000", "ランプ"),
        ("ランプ 一万円以下", YEN, None, "10000", "ランプ"),
        ("ランプ １０００円以下", YEN, None, "1000", "ランプ"),
        ("ランプ 3000円まで", YEN, None, "3000", "ランプ"),
        ("ランプ 3000円より安い", YEN, None, "3000", "ランプ"),
        ("ランプ 3000円より高い", YEN, "3000", None, "ランプ"),
        ("ランプ 予算3000円", YEN, None, "3000", "ランプ"),
        ("100元以下的杯子", YUAN, None, "100", "杯子"),
        ("杯子 100元以内", YUAN, None, "100", "杯子"),
        ("杯子 100以内", YUAN, None, "100", "杯子"),
        ("不超过100元的杯子", YUAN, None, "100", "的杯子"),
        ("杯子 低于100元", YUAN, None, "100", "杯子"),
        ("杯子 高于100元", YUAN, "100", None, "杯子"),
        ("杯子 100元以上", YUAN, "100", None, "杯子"),
        ("杯子 100到200元", YUAN, "100", "200", "杯子"),
        ("杯子 100元到200元之间", YUAN, "100", "200", "杯子"),
        ("杯子 在100到200元之间", YUAN, "100", "200", "杯子"),
        ("杯子 100-200块", YUAN, "100", "200", "杯子"),
        ("杯子 60元左右", YUAN, "40", "80", "杯子"),
        ("杯子 大约60元", YUAN, "40", "80", "杯子"),
        ("杯子 三百元以下", YUAN, None, "300", "杯子"),
        ("杯子 两百块以内", YUAN, None, "200", "杯子"),
        ("杯子 至少50元", YUAN, "50", None, "杯子"),
        ("杯子 最多50元", YUAN, None, "50", "杯子"),
        ("手机 1千元以下", YUAN, None, "1000", "手机"),
        ("手机 1-2万元", YUAN, "10000", "20000", "手机"),
        ("手机 5000元起", YUAN, "5000", None, "手机"),
        ("lamp $20 to $40", DOLLARS, "20", "40", "lamp"),
        ("lamp 20$ - 40$", DOLLARS, "20", "40", "lamp"),
        ("lamp < 30", EUROS, None, "30", "lamp"),
        ("lamp <= 30€", EUROS, None, "30", "lamp"),
        ("lamp >30", EUROS, "30", None, "lamp"),
        ("lamp ~60€", EUROS, "40", "80", "lamp"),
        ("lamp no more than 30", EUROS, None, "30", "lamp"),
        ("lamp at most 30", EUROS, None, "30", "lamp"),
        ("lamp at least 30", EUROS, "30", None, "lamp"),
        ("lamp max 30€", EUROS, None, "30", "lamp"),
        ("lamp starting at 30", EUROS, "30", None, "lamp"),
        ("something nice that doesn't cost more than 30", EUROS, None, "30", "something nice"),
        ("monitor 27 inch under 200", EUROS, None, "200", "monitor 27 inch"),
        ("ssd at least 512 gb under 80 euro", EUROS, None, "80", "ssd at least 512 gb"),
        ("lamp under 30 and above 10 euro", EUROS, "10", "30", "lamp"),
        ("lamp 30€ or under", EUROS, None, "30", "lamp"),
        ("lamp not cheaper than 30 €", EUROS, "30", None, "lamp"),
        ("lampe qui coûte moins de 30 euros", EUROS, None, "30", "lampe"),
        ("lámpara que no cueste más de 30 euros", EUROS, None, "30", "lámpara"),
        ("Lampe die nicht mehr als 30 Euro kostet", EUROS, None, "30", "Lampe kostet"),
    ],
)
def test_a_price_is_understood_in_every_language(
    text: str, shop: tuple[str, ...], least: str | None, most: str | None, rest: str
) -> None:
    assert find_price(text, shop) == bounded(rest, least, most, shop)


@pytest.mark.parametrize(
    "text",
    [
        "shoes size from 38 to 40",
        "from 5 to 10 year old toys",
        "air max 90",
        "from here to there",
        "book about 20 birds",
        "toys for under 5 years",
        "tv over 40 inch",
        "shoes size over 40",
        "chocolate over 70% cocoa",
        "tent for up to 4 persons",
        "puzzle more than 100 pieces",
        "Spielzeug ab 3 Jahren",
        "jouet de 3 à 6 ans",
        "juguete de 3 a 6 años",
        "3歳以上 おもちゃ",
        "3岁以上玩具",
        "lamp 20-40",
        "iphone 15 pro max 256 gb",
        "usb c hub with at least 4 ports",
        "water bottle up to 500 ml",
        "Rucksack bis 30 l",
        "power bank over 20000 mah",
    ],
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
    assert found.foreign is not None
    assert found.foreign.most == 100


def test_a_dollar_is_that_of_the_shop() -> None:
    assert find_price("lamp under $100", ("CAD",)).price == PriceRange(None, Decimal(100))


@pytest.mark.parametrize(
    ("text", "shop", "currency"),
    [
        ("lamp under 50", ("EUR", "SEK"), "EUR"),
        ("lamp under 50 kr", ("EUR", "SEK"), "SEK"),
        ("lamp under 50 kr", ("EUR",), "SEK"),
        ("lamp under $50", ("CAD",), "CAD"),
        ("lamp under $50", ("EUR",), "USD"),
        ("lamp under 50 €", ("USD",), "EUR"),
        ("lamp under ¥50", ("CNY",), "CNY"),
        ("lamp", ("EUR",), None),
        ("lamp under 50 euro", (), "EUR"),
    ],
)
def test_a_price_is_in_one_currency(text: str, shop: tuple[str, ...], currency: str | None) -> None:
    assert find_price(text, shop).currency == currency


def test_in_a_shop_of_two_currencies_a_price_admits_its_own() -> None:
    price = find_price("skor under 300 kr", ("EUR", "SEK")).price
    assert price is not None
    assert price.admits(Decimal(299), "SEK")
    assert not price.admits(Decimal(299), "EUR")
    assert not price.admits(Decimal(301), "sek")


def test_a_shop_that_names_no_currency_takes_any() -> None:
    assert find_price("tea under 2000 yen", ()).price == PriceRange(None, Decimal(2000))


@pytest.mark.parametrize(("name", "codes"), [("€", {"EUR"}), ("eur", {"EUR"}), ("XDR", {"XDR"})])
def test_a_currency_is_known_by_sign_and_code(name: str, codes: set[str]) -> None:
    assert currencies_of(name) == codes


@given(st.text(alphabet="0123456789 .,'-+€$<>éabfromtunderx円元以下约一百万", max_size=80))
def test_any_text_has_a_price_or_none(text: str) -> None:
    found = find_price(text, EUROS)
    if found.price is None and not found.left_out:
        assert found.text == text
    else:
        assert len(found.text) < len(text)


@pytest.mark.parametrize(
    ("text", "most"), [("三百五十元以下", 350), ("一万二千元以下", 12_000), ("两千元以下", 2000)]
)
def test_amounts_in_chinese_characters(text: str, most: int) -> None:
    assert find_price(text, YUAN).price == PriceRange(None, Decimal(most))


def test_characters_without_a_currency_are_no_price() -> None:
    assert find_price("三以下", YUAN).price is None
