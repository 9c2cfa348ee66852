"""What is declared of columns, and what checksums tell."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from reelshelf.indexer.index.recall import worst_tenth
from reelshelf.indexer.quality.declared import DECLARED
from reelshelf.indexer.quality.health import unbiased_cosine
from reelshelf.indexer.quality.inspection import inspect_rows
from reelshelf.indexer.quality.sampling import likely_share
from reelshelf.indexer.store.row_checksums import broken_cells, checksummed_columns
from reelshelf.indexer.store.snapshot import PinnedTables, ReleaseSnapshot
from reelshelf.indexer.store.tables import DATA_TABLES, TABLE_KEYS, Store
from reelshelf.schemas import tables
from reelshelf.schemas.gate import Finding
from reelshelf.schemas.media import Vectors
from tests.support.fakes import unit
from tests.support.shops import make_shop

SCHEMAS = {
    "products": tables.products_schema(32),
    "product_images": tables.product_images_schema(32),
    "videos": tables.videos_schema(),
    "segments": tables.segments_schema(32, 32),
    "links": tables.links_schema(),
    "failures": tables.failures_schema(),
}
CHECKSUMMED = [
    (name, column)
    for name in DATA_TABLES
    if name != "failures"
    for column in checksummed_columns(name, SCHEMAS[name])
]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shop = make_shop(tmp_path_factory.mktemp("inspected") / "shop")
    shop.ingest()
    return Path(shop.request.store)


@pytest.fixture
def store(published: Path, tmp_path: Path) -> Store:
    shutil.copytree(published, tmp_path / "store")
    return Store.open(str(tmp_path / "store"))


@pytest.mark.parametrize("name", DATA_TABLES)
def test_every_column_is_declared_and_no_other(name: str) -> None:
    assert set(DECLARED[name]) == set(SCHEMAS[name].names)
    assert all(declared.harm for declared in DECLARED[name].values())


def wrong(store: Store) -> Iterator[Finding]:
    served = ReleaseSnapshot.served(store)
    found = inspect_rows(PinnedTables.newest(store), served, "shop", 0)
    return (finding for finding in found if not finding.passed)


def test_what_a_run_wrote_is_as_it_is_declared(store: Store) -> None:
    assert list(wrong(store)) == []
    looked = inspect_rows(PinnedTables.newest(store), None, "shop", 0)
    assert {f"{name}.{column}" for name, column in CHECKSUMMED} <= {f.column for f in looked}


@pytest.mark.parametrize(("name", "column"), CHECKSUMMED)
def test_a_cell_that_is_not_what_was_written_names_its_column(
    published: Path, name: str, column: str
) -> None:
    rows = Store.open(str(published)).scan(name, None)
    before = broken_cells(name, rows)
    assert not before.any()
    place = rows.schema.get_field_index(column)
    harmed = rows.set_column(place, rows.schema.field(place), other_cells(rows[column]))
    broken = broken_cells(name, harmed)
    own = checksummed_columns(name, rows.schema).index(column)
    assert broken[:, own].all()
    assert not np.delete(broken, own, axis=1).any()


def other_cells(cells: pa.ChunkedArray) -> pa.Array:
    """Of the same type, and none of them what it was."""
    kind = cells.type
    if pa.types.is_string(kind):
        return pa.array([f"{c}-" if c is not None else "x" for c in cells.to_pylist()])
    if pa.types.is_decimal(kind):
        return pa.array([(c or 0) + 1 for c in cells.to_pylist()], kind)
    if pa.types.is_timestamp(kind):
        seconds = pc.fill_null(cells.cast(pa.int64()), 0)
        return pc.add(seconds, 1).cast(kind)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return pc.add(pc.fill_null(cells, 0), 1).cast(kind)
    if pa.types.is_fixed_size_list(kind):
        flat = np.zeros((len(cells), kind.list_size), np.float32)
        flat[:, 0] = 0.123
        return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), kind.list_size)
    if pa.types.is_list(kind):
        return pa.array(
            [[_any(kind.value_type)] * (len(c or ()) + 1) for c in cells.to_pylist()], kind
        )
    return pa.array([_any(kind)] * len(cells), kind)


def _any(kind: pa.DataType) -> object:
    if pa.types.is_struct(kind):
        return {field.name: _any(field.type) for field in kind}
    if pa.types.is_list(kind):
        return [_any(kind.value_type)]
    if pa.types.is_string(kind):
        return "another"
    if pa.types.is_boolean(kind):
        return True
    return 7777777.0 if pa.types.is_floating(kind) else 7777777


@pytest.mark.parametrize("at_once", [10**7, 0])
@pytest.mark.parametrize("name", [n for n in DATA_TABLES if n != "failures"])
def test_rows_that_are_there_twice_are_found(
    store: Store, name: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reelshelf.indexer.quality.inspection._KEYS_AT_ONCE", at_once)
    store.writable(name).insert(store.scan(name, None).slice(0, 1))
    assert f"{name}.{TABLE_KEYS[name]}" in {finding.column for finding in wrong(store)}


def test_rows_that_belong_to_nothing_are_found(store: Store) -> None:
    video, product = (
        store.scan(name, [TABLE_KEYS[name]])[TABLE_KEYS[name]][0].as_py()
        for name in ("videos", "products")
    )
    store.writable("videos").delete(f"video_key = '{video}'")
    store.writable("products").delete(f"product_key = '{product}'")
    found = {finding.column for finding in wrong(store)}
    assert {"segments.video_key", "product_images.product_key"} <= found


def test_moments_that_are_gone_are_found(store: Store) -> None:
    store.writable("segments").delete("start_ms = 0")
    (found,) = [f for f in wrong(store) if f.column == "videos.segment_count"]
    assert found.examples
    assert found.harm == "moments of videos are not found"


def test_a_merchant_that_is_not_the_videos_own_is_found(store: Store) -> None:
    store.writable("segments").update({"merchant_id": "'other'"})
    assert "segments.merchant_id" in {finding.column for finding in wrong(store)}


def test_only_files_that_are_new_are_looked_at_in_a_large_table(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reelshelf.indexer.quality.sampling._SMALL", 0)
    served = ReleaseSnapshot.served(store)
    found = list(inspect_rows(PinnedTables.newest(store), served, "shop", 0))
    assert not any(f.looked_at for f in found if f.claim == "is what was written")
    store.writable("segments").update({"text": "'other'"}, where="start_ms = 0")
    again = [f for f in wrong(store) if f.column == "segments.text"]
    assert [f.scope for f in again] == ["old"]


def test_a_release_of_a_store_without_checksums_is_looked_at_all_the_same(store: Store) -> None:
    for name in DATA_TABLES:
        cells = {"cell_checksums": "CAST(NULL AS BINARY)", "schema_version": "CAST(7 AS INT)"}
        store.writable(name).update(cells)
    assert list(wrong(store)) == []
    # A row of today without its checksums is broken.
    store.writable("segments").update({"schema_version": "CAST(8 AS INT)"})
    assert "segments.text" in {finding.column for finding in wrong(store)}


def test_a_sample_without_a_wrong_row_says_nothing_and_one_with_few_what_is_likely() -> None:
    assert likely_share(0, 300, 10_000) == 0
    assert likely_share(3, 300, 300) == 0.01
    assert 0.015 < likely_share(3, 300, 10_000) < 0.03
    assert likely_share(300, 300, 10_000) == 1


def test_the_worst_of_many_groups_is_not_bad_by_chance() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(50), 8)
    even = (rng.random(400) < 0.9).astype(float)
    found = worst_tenth(even, groups)
    assert found is not None
    # Picking the worst groups by the same queries would have said far less than that.
    assert abs(found[0] - 0.9) < 0.12
    assert min(even[groups == g].mean() for g in range(50)) < 0.7
    uneven = even.copy()
    uneven[groups < 5] = 0
    worst = worst_tenth(uneven, groups)
    assert worst is not None
    assert worst[0] == 0
    assert worst_tenth(even[:40], groups[:40]) is None


def test_vectors_that_point_everywhere_have_no_mean_to_compare_and_others_have() -> None:
    rng = np.random.default_rng(0)

    def halves(lean: float) -> tuple[Vectors, Vectors]:
        drawn = unit(rng.normal(size=(4000, 64)).astype(np.float32) + np.float32(lean))
        return drawn[::2].mean(axis=0), drawn[1::2].mean(axis=0)

    assert unbiased_cosine(halves(0), halves(0)) is None
    assert unbiased_cosine(halves(0.5), halves(0)) == 0
    leaning = halves(0.5)
    same = unbiased_cosine(leaning, halves(0.5))
    assert same is not None
    assert same > 0.99
    turned = unbiased_cosine(leaning, halves(-0.5))
    assert turned is not None
    assert turned < -0.99


def test_a_count_may_be_missing_in_rows_of_old_versions_only(store: Store) -> None:
    store.writable("videos").update({"link_count": "NULL"}, where="video_id = 'a'")
    (found,) = [f for f in wrong(store) if f.column == "videos.link_count"]
    assert found.wrong == 1
    store.writable("videos").update({"schema_version": "7"}, where="video_id = 'a'")
    assert not [f for f in wrong(store) if f.column == "videos.link_count"]
