"""Moments are looked for inside of a filter: what it leaves out takes no place.

By real Lance, and by arrays.
"""

import uuid
from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa
import pytest

from reelshelf.indexer.search import indexed_vectors, segments
from reelshelf.indexer.search.cells import VectorCells
from reelshelf.indexer.search.indexed_vectors import IndexedVectors, RowIds
from reelshelf.indexer.search.moments import MomentArrays, Moments, MomentVectors
from reelshelf.indexer.search.segments import SearchedSegments
from reelshelf.indexer.search.videos import SearchedVideos
from reelshelf.indexer.search.words import scored
from reelshelf.indexer.text import Texts, numbered
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import VectorIndex
from tests.support.catalogs import videos_of

pytestmark = pytest.mark.integration

VIDEOS, MOMENTS, DIM = 1000, 3, 16
DEPTH = 5


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    drawn = np.random.default_rng(7).normal(size=(VIDEOS * MOMENTS, DIM))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def videos() -> SearchedVideos:
    return videos_of(sorted(str(uuid.UUID(int=n << 96)) for n in range(VIDEOS)))


@pytest.fixture(scope="module")
def searched(
    vectors: Vectors, videos: SearchedVideos, tmp_path_factory: pytest.TempPathFactory
) -> SearchedSegments:
    keys = np.repeat(list(videos.keys), MOMENTS)
    starts = np.tile(np.arange(MOMENTS) * 1000, VIDEOS)
    # Video n says "kettle" as often as the rest of n by nine tells.
    texts = [" ".join(["kettle"] * (n // MOMENTS % 9) + ["pot"]) for n in range(len(keys))]
    rows = pa.table(
        {
            "video_key": pa.array(keys, pa.string()),
            "start_ms": starts,
            "end_ms": starts + 1000,
            "text": texts,
            "text_vector": pa.FixedSizeListArray.from_arrays(vectors.ravel(), DIM),
        }
    )
    folder: Path = tmp_path_factory.mktemp("moments")
    table = lancedb.connect(str(folder)).create_table("segments", rows)
    table.to_lance().create_scalar_index("text", "INVERTED")
    table.checkout_latest()
    index = VectorIndex(table="segments", column="text_vector", kind="flat", rows=len(keys))
    return SearchedSegments(table, {"text_vector": index}, has_terms=False, videos=videos)


@pytest.fixture(scope="module", params=["Lance", "arrays", "arrays with an index"])
def moments(
    request: pytest.FixtureRequest, searched: SearchedSegments, vectors: Vectors
) -> Moments:
    """The same moments, as a huge release has them, a small one, and a large one."""
    if request.param == "Lance":
        return searched
    rows = searched.table.to_arrow()
    words, of_moments = numbered(text.split() for text in rows["text"].to_pylist())
    known = searched.table.to_lance().to_table(columns=[], with_row_id=True)["_rowid"]
    ids, places = RowIds.of(known.to_numpy()), searched.videos.places(rows["video_key"])
    own: MomentVectors = VectorCells.of(vectors)
    if request.param != "arrays":
        index = searched.indexes["text_vector"]
        own = IndexedVectors(searched.table, "text_vector", index, ids, places, searched.videos)
    return MomentArrays(
        places,
        rows["start_ms"].to_numpy(),
        rows["end_ms"].to_numpy(),
        Texts.of(rows["text"].to_pylist()),
        Texts.of(rows["text"].to_pylist()),
        words,
        *scored(list(of_moments), len(words), k1=1.2, b=0.75),
        ids,
        {"text_vector": own},
    )


def masks() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.random(VIDEOS) < share for share in (0.5, 0.1, 0.01, 0.003)]


@pytest.mark.parametrize("named", [2000, 3], ids=["named in the filter", "looked for among more"])
@pytest.mark.parametrize("number", range(4))
def test_the_nearest_inside_of_a_filter_are_found(
    moments: Moments,
    vectors: Vectors,
    number: int,
    named: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for room in (segments, indexed_vectors):
        monkeypatch.setattr(room, "_MOST_NAMED", named)
    mask = masks()[number]
    for query in vectors[:20]:
        best = (vectors @ query).reshape(VIDEOS, MOMENTS).max(axis=1)
        inside = np.flatnonzero(mask)
        wanted = inside[np.argsort(-best[inside])][:DEPTH]
        found = moments.nearest("text_vector", query, mask, DEPTH, whole=False)
        assert list(dict.fromkeys(found.videos.tolist())) == wanted.tolist()


def test_depth_counts_videos_and_not_moments(moments: Moments, vectors: Vectors) -> None:
    found = moments.nearest("text_vector", vectors[0], None, 40 * DEPTH, whole=False)
    assert len(set(found.videos.tolist())) == 40 * DEPTH
    assert len(found) > 40 * DEPTH


def test_words_are_looked_for_inside_of_a_filter(moments: Moments) -> None:
    every = moments.matching(["kettle"], "kettle", None, DEPTH)
    assert {place % 9 for place in every.videos.tolist()} == {8}
    mask = np.arange(VIDEOS) % 9 == 1
    inside = moments.matching(["kettle"], "kettle", mask, DEPTH)
    assert {place % 9 for place in inside.videos.tolist()} == {1}
    assert len(set(inside.videos.tolist())) == DEPTH


def test_a_word_is_there_where_any_form_of_it_is(moments: Moments) -> None:
    assert moments.has(["kettle"], "kettle")
    assert moments.has(["mug", "pot"], "pot")
    assert not moments.has(["mug"], "mug")


def test_a_filter_that_lets_nothing_in_finds_nothing(moments: Moments, vectors: Vectors) -> None:
    nothing = np.zeros(VIDEOS, bool)
    assert not len(moments.nearest("text_vector", vectors[0], nothing, DEPTH, whole=False))
    assert not len(moments.matching(["kettle"], "kettle", nothing, DEPTH))


def test_vectors_are_those_of_the_moments_that_are_found(
    moments: Moments, vectors: Vectors
) -> None:
    found = moments.nearest("text_vector", vectors[7], None, DEPTH, whole=True)
    assert found.vectors is not None
    assert np.allclose(found.vectors @ vectors[7], found.scores, atol=1e-5)
    assert np.allclose(found.vectors[0], vectors[7], atol=1e-6)
