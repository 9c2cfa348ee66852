"""Prices as shops write them."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.text.money import currency_code, prices_in, read_money


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("19.90", "19.90", None),
        ("19,90", "19.90", None),
        ("1.299,00 EUR", "1299.00", "EUR"),
        ("EUR 1.299,00", "1299.00", "EUR"),
        ("$1,299.00", "1299.00", "USD"),
        ("$1,299", "1299", "USD"),
        ("US$ 5", "5", "USD"),
        ("¥1,999", "1999", "JPY"),
        ("￥1,999", "1999", "JPY"),
        ("Rp 150.000", "150000", "IDR"),
        ("1.299.000 ₫", "1299000", "VND"),
        ("CHF 1'299.50", "1299.50", "CHF"),
        ("1 299,00\u00a0kr", "1299.00", None),
        ("1\u202f299,00 €", "1299.00", "EUR"),
        ("₹1,00,000.00", "100000.00", "INR"),
        ("R$ 1.299,90", "1299.90", "BRL"),
        ("12 345 руб.", "12345", "RUB"),
        ("3500円", "3500", "JPY"),
        ("٢٩٫٩٠ ر.س.", "29.90", "SAR"),
        ("KWD 1.250", "1.250", "KWD"),
        ("19,-", "19", None),
        ("€ 19,–", "19", "EUR"),
        ("0.999", "0.999", None),
        ("1234.567", "1234.567", None),
        ("12,30 zł", "12.30", "PLN"),
        ("Rs.999", "999", None),
        ("Rs. 1,299", "1299", None),
        ("kr. 1.299,00", "1299.00", None),
        ("Rp.150.000", "150000", "IDR"),
        ("ر.س 19.90", "19.90", "SAR"),
        ("$.50", "0.50", "USD"),
    ],
)
def test_a_price_is_read(text: str, amount: str, currency: str | None) -> None:
    found = read_money(text)
    assert (found.amount, found.currency) == (Decimal(amount), currency)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1.299", "ambiguous: it may be 1299 or 1.299"),
        ("1,299", "ambiguous"),
        ("1.299 EUR", "ambiguous"),
        ("1,299 KWD", "ambiguous"),
        ("1_299", "is no price"),
        ("1e3", "is no price"),
        ("-5", "sign of its own"),
        ("19.90-29.90", "is no price"),
        ("1.2.3", "none parts thousands"),
        ("1,234,56", "none parts thousands"),
        ("1,234.5,6", "contradict each other"),
        ("12 pieces", "'pieces' is no currency"),
        ("$5 EUR", "several currencies: EUR, USD"),
        ("free", "is no price"),
        ("", "is no price"),
        ("9" * 100, "too long"),
    ],
)
def test_what_is_no_price_or_two_is_refused_in_words(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_money(text)


def test_what_is_known_of_a_currency_decides() -> None:
    assert read_money("$5", currency="CAD").currency == "CAD"
    assert read_money("1,299", currency="USD").amount == 1299
    assert read_money("150.000", currency="IDR").amount == 150000
    assert read_money("¥1,999", language="zh").currency == "CNY"
    with pytest.raises(ValueError, match="several currencies: EUR, USD"):
        read_money("19.90 EUR", currency="USD")


def test_symbols_that_several_countries_share_have_no_code() -> None:
    assert currency_code("kr") is None
    assert currency_code("kr", "sv-SE") == "SEK"
    assert currency_code("usd") == "USD"
    assert currency_code("nonsense") is None


@given(
    st.decimals(0, 10**9, places=2),
    st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("", "."), ("", ",")]),
    st.sampled_from(["{} EUR", "EUR {}", "€{}", "{}"]),
)
def test_an_amount_with_cents_is_what_was_written(
    amount: Decimal, signs: tuple[str, str], form: str
) -> None:
    thousands, point = signs
    text = f"{amount:,.2f}".replace(",", "T").replace(".", point).replace("T", thousands)
    assert read_money(form.format(text)).amount == amount


@given(st.text("0123456789.,' €$-", max_size=12))
def test_anything_is_a_price_or_a_reason(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert read_money(text).amount >= 0


@pytest.mark.parametrize(
    ("text", "currency", "amounts"),
    [
        ("only 12.99", "EUR", ["12.99"]),
        ("was $1,299.00, now $999", "USD", ["1299.00", "999"]),
        ("EUR 1.299,00", "EUR", ["1299.00"]),
        ("\u00a51999", "JPY", ["1999"]),
        ("Rp 150.000", "IDR", ["150000"]),
        ("1.299 \u20ac", "EUR", ["1299"]),
        ("1 299,00 kr", "SEK", ["1299.00"]),
        ("12,50 z\u0142", "PLN", ["12.50"]),
        ("\u20b91,29,999", "INR", ["129999"]),
        ("R$ 1.299,90", "BRL", ["1299.90"]),
        ("\uff13\uff19\uff19\u5186", "JPY", ["399"]),
        ("500 ml for 2.99", "EUR", ["2.99"]),
        ("1.250 KWD", "KWD", ["1.250"]),
        ("we reached 20000 followers", "EUR", []),
        ("call 15 000", "EUR", []),
        ("top 5 things, 3.5% fat, in 2 days", "EUR", []),
    ],
)
def test_prices_are_found_in_a_text(text: str, currency: str, amounts: list[str]) -> None:
    found = prices_in(text, currency=currency)
    assert [str(price.amount) for price in found] == amounts
    assert {price.currency for price in found} <= {currency}


@given(st.text(max_size=300))
def test_any_text_can_be_searched_for_prices(text: str) -> None:
    assert all(price.amount >= 0 for price in prices_in(text, currency="EUR"))
