"""One id in two spellings that Unicode counts as equal: declared, or looked up."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.quality.explain import explain
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.releases import require_served
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.text.clean import as_known
from tests.support.shops import Shop, product_row

COMPOSED = unicodedata.normalize("NFC", "SKU-café")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


@pytest.fixture
def spelled(shop: Shop) -> Shop:
    """A catalog and a file name in NFD, and a manifest in NFC that declares the product."""
    shop.set_products([product_row("red"), product_row("green") | {"sku": DECOMPOSED}])
    rows = [{"video_id": DECOMPOSED, "file": "videos/b.mp4", "merchant_skus": [COMPOSED]}]
    shop.set_videos(rows)
    shop.ingest()
    return shop


def test_a_declared_sku_meets_its_product(spelled: Shop) -> None:
    store = Store.open(spelled.request.store)
    (row,) = store.table("videos").to_arrow().to_pylist()
    assert (row["video_id"], row["merchant_skus"]) == (DECOMPOSED, [DECOMPOSED])
    links = released_links(ReleaseSnapshot.of(store, require_served(store)), sku=DECOMPOSED)
    assert "merchant" in {e.modality.value for _, _, link in links for e in link.evidence}


@pytest.mark.slow
@pytest.mark.parametrize("name", [COMPOSED, DECOMPOSED])
def test_both_spellings_are_found(spelled: Shop, name: str) -> None:
    store = Store.open(spelled.request.store)
    snapshot = ReleaseSnapshot.served(store)
    assert released_links(snapshot, video_id=name)
    assert released_links(snapshot, sku=name)
    (found,) = explain(snapshot, name, name)
    assert found.sku == DECOMPOSED
    result = spelled.run(reindex=ReindexRequest(videos=(name,)))
    assert result.planned.videos_asked_for == 1
    assert spelled.run(reindex=ReindexRequest(skus=(name,))).planned.products_to_encode == 1


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
