"""One id in two spellings that Unicode counts as equal: declared, or looked up."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.quality.explain import explain
from indexer.scope import Demand
from indexer.store.links import released_links
from indexer.store.releases import newest_release
from indexer.store.tables import Store
from indexer.text import as_known
from tests.shops import Shop, product_row, small_config

COMPOSED = unicodedata.normalize("NFC", "SKU-café")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


@pytest.fixture
def spelt(shop: Shop) -> Shop:
    """A catalogue and a file name in NFD, and a manifest in NFC that declares the product."""
    shop.set_products([product_row("red"), product_row("green") | {"sku": DECOMPOSED}])
    rows = [{"video_id": DECOMPOSED, "file": "videos/b.mp4", "merchant_skus": [COMPOSED]}]
    shop.set_videos(rows)
    shop.ingest()
    return shop


def test_a_declared_sku_meets_its_product(spelt: Shop) -> None:
    store = Store.open(spelt.request.store)
    (row,) = store.table("videos").to_arrow().to_pylist()
    assert (row["video_id"], row["merchant_skus"]) == (DECOMPOSED, [DECOMPOSED])
    links = released_links(store, newest_release(store), sku=DECOMPOSED)
    assert "merchant" in {e.sense.value for _, _, link in links for e in link.evidence}


@pytest.mark.parametrize("name", [COMPOSED, DECOMPOSED])
def test_both_spellings_are_found(spelt: Shop, name: str) -> None:
    store = Store.open(spelt.request.store)
    release, config = newest_release(store), small_config()
    assert released_links(store, release, video_id=name)
    assert released_links(store, release, sku=name)
    (found,) = explain(store, release, config.linking, name, name)
    assert found.sku == DECOMPOSED
    result = spelt.run(demand=Demand(videos=(name,)))
    assert result.planned.videos_asked_for == 1
    assert spelt.run(demand=Demand(skus=(name,))).planned.products_to_encode == 1


def test_an_id_that_is_there_as_given_is_that_one() -> None:
    both = [COMPOSED, DECOMPOSED]
    assert as_known(both, lambda: both) == {COMPOSED: COMPOSED, DECOMPOSED: DECOMPOSED}


@given(st.lists(st.text(max_size=3)), st.lists(st.text(max_size=3)))
def test_no_id_becomes_another(given_ids: list[str], known: list[str]) -> None:
    for item, found in as_known(given_ids, lambda: known).items():
        assert found == item or found in known
        assert unicodedata.normalize("NFC", found).strip() == (
            unicodedata.normalize("NFC", item).strip()
        )
