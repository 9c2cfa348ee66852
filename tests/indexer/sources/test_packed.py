"""Records that are kept as bytes are the records that were given."""

import datetime as dt
import decimal
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.sources import Packed
from reelshelf.schemas.catalog import Product

_PRODUCTS = st.builds(
    Product,
    sku=st.text(min_size=1),
    title=st.text(),
    attributes=st.lists(st.tuples(st.text(), st.text()), max_size=2).map(tuple),
    price=st.none() | st.decimals(0, 1000, places=4),
    published_at=st.none() | st.datetimes(timezones=st.timezones()),
    group_id=st.none() | st.text(),
)


def products(count: int) -> list[Product]:
    return [Product(f"SKU-{number}", f"Thing {number}") for number in range(count)]


@given(st.lists(_PRODUCTS, max_size=5))
def test_records_come_back_as_they_were(given: Sequence[Product]) -> None:
    packed = Packed(Product, given)
    assert len(packed) == len(given)
    # Fingerprints are made of what `repr` says.
    assert [*map(repr, packed)] == [*map(repr, given)]
    assert [item.group_id for item in packed] == [item.group_id for item in given]


def test_a_price_keeps_its_places() -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    one = Product(
        "A", "A", price=decimal.Decimal("2.7400"), updated_at=dt.datetime(2026, 1, 1, tzinfo=zone)
    )
    assert repr(Packed(Product, [one])[0]) == repr(one)


@given(st.data())
def test_some_are_those_at_their_places(data: st.DataObject) -> None:
    given = products(300)
    packed = Packed(Product, given)
    places = data.draw(st.lists(st.integers(0, len(given) - 1)))
    assert packed.some(places) == [given[place] for place in places]
    cut = data.draw(st.slices(len(given)))
    assert packed[cut] == given[cut]


def test_a_place_beyond_the_last_is_none() -> None:
    packed = Packed(Product, products(3))
    assert packed[-1] == products(3)[-1]
    with pytest.raises(IndexError):
        packed[3]
