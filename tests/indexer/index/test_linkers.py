"""Linkers that processes share: made once, mapped by all, the same as one in memory."""

import multiprocessing
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reelshelf.indexer.index import linkers
from reelshelf.indexer.index.linkers import LinkerRecipe, linker_of, prepared
from reelshelf.indexer.quality.relinking import released_recipe, released_videos
from reelshelf.indexer.store import releases, shared
from reelshelf.indexer.store.products import read_products
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import StorageConfig
from reelshelf.schemas.errors import StoreError
from tests.support.shops import COLORS, Shop, make_shop, product_row


@pytest.fixture
def snapshot(tmp_path: Path) -> ReleaseSnapshot:
    shop: Shop = make_shop(tmp_path)
    shop.ingest()
    store = Store.open(shop.request.store)
    return ReleaseSnapshot.of(store, releases.require_served(store))


def count_as_large(monkeypatch: pytest.MonkeyPatch, catalogs_above: int) -> None:
    """Forget what this process has opened, and leave it nothing that was made under this limit."""
    monkeypatch.setattr(linkers, "FLAT_UP_TO", catalogs_above)
    monkeypatch.setattr(linkers._WHOLE, "name", None)
    monkeypatch.setattr(linkers._WHOLE, "linker", None)


@pytest.fixture
def recipe(
    snapshot: ReleaseSnapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LinkerRecipe:
    """That of a catalog that counts as large."""
    count_as_large(monkeypatch, 0)
    monkeypatch.setattr(shared, "_HELD", {})
    spool = tmp_path / "spool"
    spool.mkdir()
    return replace(released_recipe(snapshot), storage=StorageConfig(spool_dir=str(spool)))


def links(snapshot: ReleaseSnapshot, recipe: LinkerRecipe) -> set[tuple[object, ...]]:
    """All links of the release's videos; scores as far as half the precision keeps them."""
    keys = snapshot.scan("videos", ["video_key"])["video_key"].to_pylist()
    linker = linker_of(recipe)
    return {
        (link.video_key, link.sku, round(link.score, 2), link.spans)
        for copies in released_videos(snapshot, keys)
        for own in linker.link([video for _, video in copies])
        for link in own
    }


def test_a_linker_of_files_links_as_one_in_memory(
    snapshot: ReleaseSnapshot, recipe: LinkerRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_files = links(snapshot, recipe)
    count_as_large(monkeypatch, 10**9)
    assert of_files == links(snapshot, recipe)
    assert of_files


def test_a_catalog_of_files_has_the_products_of_the_store(
    snapshot: ReleaseSnapshot, recipe: LinkerRecipe
) -> None:
    on_disk = linker_of(recipe)._catalog.products
    for found, stored in zip(
        on_disk, read_products(snapshot.store, snapshot.versions), strict=True
    ):
        assert found.product == stored.product
        assert found.text_vector == pytest.approx(stored.text_vector, abs=1e-3)
        assert [(i.uri, i.content_sha256, i.packaging_text) for i in found.images] == [
            (i.uri, i.content_sha256, i.packaging_text) for i in stored.images
        ]
        for image, other in zip(found.images, stored.images, strict=True):
            assert image.vector == pytest.approx(other.vector, abs=1e-3)
    assert on_disk[len(on_disk) - 1].product == on_disk[-1].product


def test_a_store_that_is_made_anew_in_the_same_place_has_another_linker(tmp_path: Path) -> None:
    skus = []
    for title in ("Crimson Kettle", "Another Kettle"):
        shop = make_shop(tmp_path / "shop")
        shop.set_products([product_row(name) | {"title": title} for name in COLORS])
        shop.ingest()
        store = Store.open(shop.request.store)
        found = released_recipe(ReleaseSnapshot.of(store, releases.require_served(store)))
        linker = linker_of(found)
        skus.append([item.product.title for item in linker._catalog.products])
        shutil.rmtree(tmp_path / "shop")
    assert skus == [["Crimson Kettle"] * 3, ["Another Kettle"] * 3]


def test_files_are_made_once_and_made_anew_where_they_are_not_whole(recipe: LinkerRecipe) -> None:
    folder = prepared(recipe)
    made = (folder / "object.pickle").stat().st_ino
    prepared(recipe)
    assert (folder / "object.pickle").stat().st_ino == made
    # As a process leaves them that is killed while it makes them.
    (folder / "made").unlink()
    (folder / "object.pickle").write_bytes(b"half")
    prepared(recipe)
    assert linkers.opened(folder)


def test_what_a_process_uses_stays_and_what_none_uses_goes(
    recipe: LinkerRecipe,
) -> None:
    other = replace(recipe, text_space="another")
    # Made here, and then used by another process alone.
    shared.release(prepared(recipe))
    context = multiprocessing.get_context("fork")
    done, ready = context.Event(), context.Event()

    def use() -> None:
        prepared(recipe)
        ready.set()
        done.wait()

    process = context.Process(target=use)
    process.start()
    assert ready.wait(60)
    first = prepared(other).parent / recipe.name
    assert first.exists()
    done.set()
    process.join()
    prepared(replace(recipe, text_space="a third"))
    assert not first.exists()


def test_a_folder_that_others_may_write_to_is_refused(recipe: LinkerRecipe) -> None:
    root = prepared(recipe).parent
    root.chmod(0o777)
    with pytest.raises(StoreError, match="others may write"):
        prepared(recipe)


def test_a_large_catalog_may_have_no_picture(tmp_path: Path, recipe: LinkerRecipe) -> None:
    shop = make_shop(tmp_path / "plain")
    shop.set_products([product_row(name) | {"images": []} for name in COLORS])
    shop.ingest()
    store = Store.open(shop.request.store)
    plain = released_recipe(ReleaseSnapshot.of(store, releases.require_served(store)))
    catalog = linker_of(replace(plain, storage=recipe.storage))._catalog
    assert len(catalog.vectors.image) == 0
    assert [item.product.sku for item in catalog.products] == ["SKU-blue", "SKU-green", "SKU-red"]


def test_a_linker_of_other_code_is_not_opened(
    recipe: LinkerRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade: what lies on the node was pickled by the code before."""
    monkeypatch.setattr(linkers, "_code", lambda: "of the release before")
    old = prepared(recipe)
    (old / "object.pickle").write_bytes(b"cannot be opened any more")
    monkeypatch.undo()
    count_as_large(monkeypatch, 0)
    assert prepared(recipe) != old
    assert linker_of(recipe)
