"""A catalog brought up to date without a look at videos."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest

from reelshelf.indexer.pipeline import products_only
from reelshelf.indexer.pipeline.ingest import IngestResult
from reelshelf.indexer.pipeline.products_only import ingest_products
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.releases import require_served
from reelshelf.indexer.store.runs import last_indexing
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import TABLE_KEYS, Store
from reelshelf.indexer.store.torn import torn_videos
from reelshelf.schemas.errors import GateRefused, InputError, SpaceMismatch, StoreError
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.run import Ending
from tests.support.clips import BLUE, GREEN, write_clip
from tests.support.fakes import FakeTexts, decode_never, load_fakes, unit
from tests.support.shops import Shop, product_row, small_config


@pytest.fixture(autouse=True)
def loads_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products_only, "load_text_encoder", lambda config: FakeTexts())


def bring_up(shop: Shop, *, allow_shrink: bool = False) -> IngestResult:
    catalog, store = shop.request.catalog, shop.request.store
    run = partial(ingest_products, catalog, store, small_config(), NoProgress())
    return run(allow_shrink=allow_shrink).or_raise()


def rows() -> list[dict[str, object]]:
    return [product_row(name) for name in ("red", "green", "blue")]


def test_prices_and_stock_are_released_without_a_model(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shop.ingest().newest
    changed = rows()
    changed[0] |= {"price": 7, "availability": "out of stock"}
    shop.set_products(changed)
    monkeypatch.delattr(products_only, "load_text_encoder")
    result = bring_up(shop)
    assert result.published
    assert result.calls == {}
    snapshot = ReleaseSnapshot.open(shop.request.store)
    prices = snapshot.scan("products", ["sku", "price"]).to_pylist()
    assert {row["sku"]: row["price"] for row in prices}["SKU-red"] == 7
    # Nothing else is another than it was.
    before = ReleaseSnapshot.of(snapshot.store, first)
    for name in ("videos", "segments", "links", "product_images", "failures"):
        key = TABLE_KEYS[name]
        old, new = (seen.scan(name, None).sort_by(key) for seen in (before, snapshot))
        assert old == new
    assert not bring_up(shop).published


def test_new_words_are_encoded_and_links_wait_for_the_next_night(shop: Shop) -> None:
    shop.ingest()
    before = len(released_links(ReleaseSnapshot.open(shop.request.store)))
    changed = rows()
    changed[0]["title"] = "Vermilion Samovar"
    shop.set_products(changed)
    result = bring_up(shop)
    assert result.calls == {"products_encoded": 1}
    assert len(released_links(ReleaseSnapshot.open(shop.request.store))) == before
    store = Store.open(shop.request.store)
    left = store.dataset("links").version
    night = shop.ingest(loader=load_fakes, decode=decode_never)
    assert night.published
    assert "products_encoded" not in night.calls
    assert store.dataset("links").version > left


def test_products_that_are_gone_leave_with_their_links(shop: Shop) -> None:
    shop.ingest()
    shop.set_products(rows()[1:])
    bring_up(shop)
    snapshot = ReleaseSnapshot.open(shop.request.store)
    assert "SKU-red" not in {link.sku for _, _, link in released_links(snapshot)}
    assert snapshot.release.quality.videos == 3
    shop.set_products(rows()[2:])
    bring_up(shop)
    shop.set_products([product_row("red") | {"sku": "other"}])
    with pytest.raises(GateRefused, match="products in the store are not in the source any more"):
        bring_up(shop)
    assert bring_up(shop, allow_shrink=True).published


def test_it_is_no_run_that_others_read_the_source_from(shop: Shop) -> None:
    shop.ingest()
    before = last_indexing(Store.open(shop.request.store)).run_id
    changed = rows()
    changed[0]["price"] = 8
    shop.set_products(changed)
    bring_up(shop)
    assert last_indexing(Store.open(shop.request.store)).run_id == before
    quality = require_served(Store.open(shop.request.store)).quality
    assert (quality.submitted, quality.indexed) == (3, 3)


def test_what_it_cannot_do_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="there is no such folder"):
        bring_up(shop)
    shop.ingest()
    shop.set_products([])
    with pytest.raises(InputError, match="holds no usable product"):
        bring_up(shop)
    shop.set_products([product_row("red") | {"title": "Other words"}, *rows()[1:]])
    other = FakeTexts.ref.model_copy(update={"space": "other"})
    monkeypatch.setattr(FakeTexts, "ref", other)
    with pytest.raises(SpaceMismatch, match=r"models\.text: 'other' makes no vectors of"):
        bring_up(shop)


@pytest.mark.slow
def test_what_a_night_left_unfinished_is_not_published_by_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.ingest()
    before = ReleaseSnapshot.open(shop.request.store)
    write_clip(shop.root / "videos" / "a.mp4", [GREEN, BLUE, GREEN])

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "write_links", dies)
    with pytest.raises(KeyboardInterrupt):
        shop.ingest()
    monkeypatch.undo()
    monkeypatch.setattr(products_only, "load_text_encoder", lambda config: FakeTexts())
    changed = rows()
    changed[0]["price"] = 7
    shop.set_products(changed)
    assert bring_up(shop).published
    served = ReleaseSnapshot.open(shop.request.store)
    for name in ("videos", "segments", "links"):
        key = TABLE_KEYS[name]
        old, new = (seen.scan(name, None).sort_by(key) for seen in (before, served))
        assert old == new
    # And what the night has done is not lost.
    result = shop.ingest(decode=decode_never)
    assert result.published
    assert torn_videos(Store.open(shop.request.store)).videos == ()


def test_an_encoder_that_gives_noise_is_found_out(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Noise(FakeTexts):
        rng = np.random.default_rng(0)

        def encode_texts(self, texts: Sequence[str]) -> Vectors:
            return unit(self.rng.normal(size=(len(texts), 32)).astype(np.float32))

    shop.ingest()
    shop.set_products([row | {"title": f"New {row['title']}"} for row in rows()])
    monkeypatch.setattr(products_only, "load_text_encoder", lambda config: Noise())
    checked = small_config(gate={"recheck": 50})
    result = ingest_products(shop.request.catalog, shop.request.store, checked, NoProgress())
    assert result.ending is Ending.GATE_REFUSED
    assert "text encoder" in str(result.message)
