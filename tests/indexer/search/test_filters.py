"""Filters by arrays leave in what a look at each product would."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.search.filters import in_category, in_price
from reelshelf.indexer.search.prices import PriceRange
from reelshelf.schemas.catalog import Product
from tests.support.catalogs import columns_of

_AMOUNTS = st.one_of(st.none(), st.decimals(0, 1000, places=2))
_CURRENCIES = st.sampled_from([None, "EUR", "eur", "€", "USD", "$", "JPY", "XDR"])
_PRODUCTS = st.lists(
    st.builds(
        Product,
        sku=st.just("S"),
        title=st.just("Lamp"),
        price=_AMOUNTS,
        currency=_CURRENCIES,
        category=st.lists(st.sampled_from(["Shoes", "shoes", "Straße", "Food"])).map(tuple),
    ),
    max_size=12,
)


@given(
    products=_PRODUCTS,
    bounds=st.tuples(_AMOUNTS, _AMOUNTS),
    asked=st.one_of(st.none(), st.frozensets(st.sampled_from(["EUR", "USD", "CAD", "JPY"]))),
)
def test_a_price_admits_what_it_admits_one_by_one(
    products: list[Product],
    bounds: tuple[Decimal | None, Decimal | None],
    asked: frozenset[str] | None,
) -> None:
    price = PriceRange(*bounds, asked)
    inside = in_price(price, columns_of(products))
    assert inside.tolist() == [price.admits(p.price, p.currency) for p in products]


@given(products=_PRODUCTS, name=st.sampled_from(["SHOES", "strasse", "Food", "none", ""]))
def test_a_category_is_one_of_any_level_and_case(products: list[Product], name: str) -> None:
    wanted = name.casefold()
    assert in_category(name, columns_of(products)).tolist() == [
        any(part.casefold() == wanted for part in product.category) for product in products
    ]
