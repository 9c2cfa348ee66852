"""What one run makes of faults that are not its videos'."""

from pathlib import Path

import pytest

from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.upkeep import publish
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.errors import GateRefused, TooManyFailures
from reelshelf.schemas.run import Ending
from tests.support.fakes import load_choosy, load_sick
from tests.support.shops import Shop, make_many, product_row, small_config


def test_a_product_whose_text_fails_costs_itself_alone_and_comes_later(shop: Shop) -> None:
    rows = [product_row(name) for name in ("red", "green", "blue")]
    rows[0]["title"] = "Unspeakable Kettle"
    shop.set_products(rows)
    result = shop.ingest(loader=load_choosy)
    assert result.published
    (refused,) = result.rejected
    assert (refused.item_id, refused.reason.partition(":")[0]) == (
        "SKU-red",
        "its text cannot be encoded",
    )
    store = Store.open(shop.request.store)
    assert sorted(store.scan("products", ["sku"])["sku"].to_pylist()) == ["SKU-blue", "SKU-green"]
    assert shop.ingest().calls["products_encoded"] == 1
    assert store.count("products") == 3


def test_a_product_that_cannot_be_encoded_any_more_keeps_what_it_had(shop: Shop) -> None:
    shop.ingest()
    rows = [product_row(name) for name in ("red", "green", "blue")]
    rows[0]["title"] = "Unspeakable Kettle"
    shop.set_products(rows)
    assert len(shop.run(loader=load_choosy).rejected) == 1
    titles = Store.open(shop.request.store).scan("products", ["title"])["title"].to_pylist()
    assert "Crimson Kettle" in titles


def test_a_run_in_which_most_videos_fail_alike_stops_in_words(tmp_path: Path) -> None:
    shop = make_many(tmp_path / "shop", 30)
    result = shop.run(loader=load_sick)
    assert result.ending is Ending.TOO_MANY_FAILURES
    with pytest.raises(TooManyFailures, match="20 videos failed alike in stage 'models'") as told:
        result.or_raise()
    assert "CUDA error: an illegal memory access" in str(told.value)
    assert "Traceback (most recent call last)" in str(told.value)
    assert result.release is None
    assert result.tally.failed == 20
    # The record says so too: nobody publishes what is left of it by the gate.
    with pytest.raises(GateRefused, match="failure rate"):
        publish(shop.request.store, small_config(), NoProgress()).or_raise()
    attempts = Store.open(shop.request.store).scan("failures", ["attempt"])["attempt"]
    assert attempts.to_pylist() == [1] * 20


def test_a_catalog_whose_texts_all_fail_stops_in_words(shop: Shop) -> None:
    shop.set_products([product_row("red") | {"sku": f"S{i}"} for i in range(30)])
    unspeakable = [product_row("red") | {"sku": f"S{i}", "title": "Unspeakable"} for i in range(30)]
    shop.ingest()
    shop.set_products(unspeakable)
    with pytest.raises(TooManyFailures, match="the texts of 20 products could not be encoded"):
        shop.ingest(loader=load_choosy)
