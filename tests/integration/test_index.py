"""Train with FAISS, inject into Lance, commit, release, search."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from indexer.index.build import build_indexes
from indexer.quality.measures import measure, recall_at_10
from indexer.search.searcher import QueryEncoders, Searcher
from indexer.store import releases
from indexer.store.rows import vector_array, vector_matrix
from indexer.store.tables import Store
from schemas.outcomes import Tally
from schemas.release import Release, VectorIndex
from tests.fakes import FakeImages, FakeTexts
from tests.shops import Shop, small_config

pytestmark = pytest.mark.integration
ROWS = 20_000
CONFIG = small_config(index={"flat_below": 1000})


@pytest.fixture
def large(shop: Shop) -> Store:
    """A store whose segments are many noisy copies of its real ones."""
    shop.ingest(CONFIG)
    store = Store.open(shop.request.store)
    real = store.table("segments").to_arrow()
    rng = np.random.default_rng(0)
    base = vector_matrix(real["frame_vector"])[rng.integers(0, real.num_rows, ROWS)]
    noisy = base + rng.normal(0, 0.15, base.shape).astype(np.float32)
    noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
    rows = real.take(pa.array(rng.integers(0, real.num_rows, ROWS)))
    columns = {
        "segment_key": pa.array([f"{i:08x}-0000" for i in range(ROWS)]),
        "frame_vector": vector_array(list(noisy), noisy.shape[1]),
    }
    for name, values in columns.items():
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(name), values)
    store.table("segments").to_lance().insert(rows)
    return store


def release_of(store: Store, indexes: list[VectorIndex]) -> Release:
    """The next release, made from the last one with other indexes."""
    last = releases.newest_release(store)
    sequence = releases.next_sequence(store)
    changes = {
        "release_id": releases.release_id(sequence),
        "sequence": sequence,
        "tables": releases.pin_tables(store),
        "indexes": indexes,
    }
    return last.model_copy(update=changes)


def test_twenty_thousand_rows_are_searched_through_the_index(large: Store) -> None:
    indexes = build_indexes(large, CONFIG.index)
    frame = next(i for i in indexes if i.column == "frame_vector")
    assert frame.kind == "ivf_pq"
    assert frame.rows > ROWS
    assert frame.trained_by.startswith("faiss")
    quality = measure(large, indexes, CONFIG, Tally(3, 3, 0, 0))
    assert quality.recall_queries["segments.frame_vector"] == 100
    assert quality.recall_at_10["segments.frame_vector"] >= 0.9

    release = release_of(large, indexes)
    releases.publish(large, release)
    searcher = Searcher(
        large,
        releases.newest_release(large),
        QueryEncoders(FakeTexts(), FakeImages()),
        CONFIG.search,
    )
    picture = np.full((32, 32, 3), (40, 60, 200), np.uint8)
    assert searcher.search_image(picture)[0].video_id in ("b", "c")

    table = large.table("segments", release.table_version("segments"))
    vector = FakeImages().encode_images([picture])[0]
    query = table.search(vector, vector_column_name="frame_vector").distance_type("cosine")
    plan = query.nprobes(frame.nprobes).refine_factor(frame.refine_factor).explain_plan(True)
    assert "ANNIvfPartition" in plan
    assert "frame_vector_idx" in plan


def test_fewer_probes_find_less(large: Store) -> None:
    """The measured recall is of the index: starving the search must show in it."""
    indexes = build_indexes(large, CONFIG.index)
    frame = next(i for i in indexes if i.column == "frame_vector")
    starved = frame.model_copy(update={"nprobes": 1, "refine_factor": 1})
    good, _ = recall_at_10(large, frame, 50, 0)
    bad, _ = recall_at_10(large, starved, 50, 0)
    assert bad < good - 0.1


def test_small_tables_stay_flat_and_lose_an_index_they_had(large: Store) -> None:
    build_indexes(large, CONFIG.index)
    flat = build_indexes(large, small_config(index={"flat_below": 10**6}).index)
    assert {index.kind for index in flat} == {"flat"}
    names = [index.name for index in large.table("segments").list_indices()]
    assert "frame_vector_idx" not in names


def test_a_release_keeps_its_rows_whatever_is_written_later(large: Store) -> None:
    release = release_of(large, build_indexes(large, CONFIG.index))
    releases.publish(large, release)
    large.table("segments").delete("true")
    dataset = large.table("segments").to_lance()
    dataset.cleanup_old_versions(timedelta(0), error_if_tagged_old_versions=False)
    pinned = large.table("segments", release.table_version("segments"))
    assert pinned.count_rows() > ROWS
