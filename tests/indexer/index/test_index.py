"""Train with FAISS, inject into Lance, commit, release, search."""

import shutil
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from reelshelf.indexer.index.build import Builder, build_indexes
from reelshelf.indexer.quality.measures import Candidate, measure, recalls_of
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.head import Lease
from reelshelf.indexer.store.nearest import nearest, query_for
from reelshelf.indexer.store.rows import vector_array, vector_matrix
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import Config
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.outcomes import Tally
from reelshelf.schemas.release import Release, VectorIndex
from tests.support.shops import small_config

pytestmark = pytest.mark.integration
ROWS = 8_000
CONFIG = small_config(
    index={"flat_below": 1000, "sub_vectors": 64, "partitions": 64, "tune_queries": 60}
)


def builder(config: Config = CONFIG) -> Builder:
    return Builder(config.index, map)


@dataclass
class Grown:
    """A large store and its indexes as built, before any widening."""

    store: Store
    indexes: list[VectorIndex]

    @property
    def frame(self) -> VectorIndex:
        return next(i for i in self.indexes if i.column == "frame_vector")


@pytest.fixture(scope="module")
def grown(example_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Grown:
    """The example store with 8,000 more segments: its real vectors plus noise.

    Real vectors of a kind vary in few directions, and so does most of the noise.
    """
    path = tmp_path_factory.mktemp("grown") / "store"
    shutil.copytree(example_store, path)
    store = Store.open(str(path))
    real = store.table("segments").to_arrow()
    rng = np.random.default_rng(0)
    rows = real.take(pa.array(rng.integers(0, real.num_rows, ROWS)))
    keys = pa.array([f"{i:08x}-0000" for i in range(ROWS)])
    rows = rows.set_column(0, rows.schema.field(0), keys)
    for name in ("frame_vector", "text_vector"):
        filled = rows[name].is_valid().to_numpy()
        vectors = iter(noisy(vector_matrix(rows[name].filter(pa.array(filled))), rng))
        column = vector_array(
            [next(vectors) if valid else None for valid in filled], rows[name].type.list_size
        )
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(name), column)
    store.table("segments").to_lance().insert(rows)
    return Grown(store, build_indexes(store, builder()))


def noisy(base: Vectors, rng: np.random.Generator) -> Vectors:
    dim = base.shape[1]
    directions = rng.normal(0, 1 / np.sqrt(dim), (24, dim))
    broad = rng.normal(0, 0.12, (len(base), 24)) @ directions
    fine = rng.normal(0, 0.1 / np.sqrt(dim), base.shape)
    moved = (base + broad + fine).astype(np.float32)
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


@pytest.fixture
def copied(grown: Grown, tmp_path: Path) -> Grown:
    """For tests that change rows or indexes."""
    shutil.copytree(grown.store.uri, tmp_path / "store")
    return Grown(Store.open(str(tmp_path / "store")), grown.indexes)


def release_of(store: Store, indexes: list[VectorIndex]) -> Release:
    """The next release, made from the last one with other indexes."""
    last = releases.require_served(store)
    sequence = releases.next_sequence(store)
    changes = {
        "run_id": str(uuid.uuid4()),
        "release_id": releases.release_id(sequence),
        "sequence": sequence,
        "tables": releases.pin_tables(store),
        "indexes": indexes,
    }
    return last.model_copy(update=changes)


def candidate_of(store: Store, indexes: list[VectorIndex]) -> Candidate:
    tables = releases.pin_tables(store)
    return Candidate(PinnedTables.at(store, tables), tables, indexes)


def publish(store: Store, release: Release) -> None:
    with Lease.take(store, release.run_id, 60) as lease:
        releases.publish(store.guarded(lease.check), release, lease)


@pytest.mark.slow
def test_thousands_of_rows_are_searched_through_the_index(grown: Grown) -> None:
    store, frame = grown.store, grown.frame
    assert (frame.kind, frame.partitions) == ("ivf_pq", 64)
    assert frame.rows > ROWS
    assert frame.trained_by.startswith("faiss")
    indexes = grown.indexes
    quality = measure(candidate_of(store, indexes), None, CONFIG, Tally(20, 20, 0, 0))
    asked = {found.kind: found.queries for found in quality.recalls["segments.frame_vector"]}
    assert asked["between rows"] >= 190
    assert quality.recall_queries["segments.frame_vector"] in asked.values()
    assert quality.recall_at_10["segments.frame_vector"] >= 0.9
    assert quality.recall_at_10["segments.text_vector"] >= 0.9
    publish(store, release_of(store, indexes))

    # A searcher of the published release goes through the index, not past it.
    published = releases.require_served(store)
    index = next(i for i in published.indexes if i.column == "frame_vector")
    table = store.table("segments", published.table_version("segments"))
    vector = vector_matrix(table.to_lance().to_table(columns=["frame_vector"], limit=1)[0])[0]
    plan = query_for(table, "frame_vector", vector, index).limit(10).explain_plan(True)
    assert "ANNIvfPartition" in plan
    assert frame.name in plan
    found = nearest(table, "frame_vector", vector, index, 10, ["video_key"])
    assert found[0]["_distance"] < 0.001


@pytest.mark.slow
def test_the_measured_recall_is_of_the_index(grown: Grown) -> None:
    """Starving the search must show in the figure."""
    starved = grown.frame.model_copy(update={"nprobes": 1, "refine_factor": 1})
    candidate = candidate_of(grown.store, grown.indexes)
    bad, good = (recalls_of(candidate, index, 50, 0)[0] for index in (starved, grown.frame))
    assert bad.queries > 40
    assert bad.recall < 0.9
    assert good.recall > bad.recall


@pytest.mark.slow
def test_small_tables_stay_flat_and_lose_an_index_they_had(copied: Grown) -> None:
    flat = build_indexes(copied.store, builder(small_config(index={"flat_below": 10**6})))
    assert {index.kind for index in flat} == {"flat"}
    names = [index.name for index in copied.store.table("segments").list_indices()]
    assert copied.frame.name not in names
    assert "video_key_idx" in names


@pytest.mark.slow
def test_a_release_keeps_its_rows_whatever_is_written_later(copied: Grown) -> None:
    store = copied.store
    release = release_of(store, copied.indexes)
    publish(store, release)
    store.table("segments").delete("true")
    dataset = store.table("segments").to_lance()
    dataset.cleanup_old_versions(timedelta(0), error_if_tagged_old_versions=False)
    pinned = store.table("segments", release.table_version("segments"))
    assert pinned.count_rows() > ROWS
