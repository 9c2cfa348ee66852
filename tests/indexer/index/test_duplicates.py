import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.index.duplicates import Comparer, Shape, are_duplicates, cover
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.indexer.store.releases import require_served
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store, VideoFrames
from reelshelf.schemas.config import DuplicatesConfig, SearchConfig
from reelshelf.schemas.release import VectorIndex
from tests.support.clips import BLUE, GREEN, RED, WHITE, write_clip
from tests.support.fakes import FakeTexts
from tests.support.shops import Shop

CONFIG = DuplicatesConfig()


def shape(*moments: tuple[int, float]) -> Shape:
    """Moments as (axis they lie on, length in ms)."""
    vectors = np.zeros((len(moments), 8), np.float32)
    for row, (place, _) in zip(vectors, moments, strict=True):
        row[place] = 1.0
    return Shape(vectors, np.array([length for _, length in moments]))


def test_the_order_and_cutting_of_moments_do_not_matter() -> None:
    assert are_duplicates(
        shape((0, 4000), (1, 2000)), shape((1, 2100), (0, 1900), (0, 2000)), CONFIG
    )


def test_a_shared_clip_makes_no_duplicate() -> None:
    ours, theirs = shape((0, 3000), (1, 3000)), shape((0, 3000), (2, 3000))
    assert cover(ours, theirs) == pytest.approx(0.5)
    assert not are_duplicates(ours, theirs, CONFIG)


def test_an_excerpt_is_no_duplicate_of_a_long_video() -> None:
    assert not are_duplicates(shape((0, 3000)), shape((0, 9000)), CONFIG)


@given(st.lists(st.tuples(st.integers(0, 7), st.floats(100, 5000)), min_size=1, max_size=6))
def test_every_video_covers_itself(moments: list[tuple[int, float]]) -> None:
    assert cover(shape(*moments), shape(*moments)) == pytest.approx(1.0)


def clusters(shop: Shop) -> dict[str, str]:
    store = Store.open(shop.request.store)
    found = store.video_facts(require_served(store).table_version("videos")).values()
    return {facts.video_id: facts.cluster for facts in found}


@pytest.fixture
def copied(shop: Shop) -> Shop:
    """A shop in which `again` is `c` encoded anew with a white mark in its corner."""
    write_clip(shop.root / "videos" / "c.mp4", [GREEN, RED, BLUE])
    write_clip(shop.root / "videos" / "again.mp4", [GREEN, RED, BLUE], corner=WHITE)
    rows = [
        {"video_id": name, "file": f"videos/{name}.mp4", "merchant_skus": []}
        for name in ("a", "b", "c", "again")
    ]
    shop.set_videos(rows)
    return shop


@pytest.mark.slow
def test_a_video_encoded_anew_joins_the_cluster_and_leaves_it(copied: Shop) -> None:
    copied.ingest()
    found = clusters(copied)
    assert found["again"] == found["c"]
    assert len(set(found.values())) == 3
    write_clip(copied.root / "videos" / "again.mp4", [RED, RED, RED])
    copied.ingest()
    assert len(set(clusters(copied).values())) == 4


def test_a_search_shows_one_video_of_a_cluster_and_names_the_others(copied: Shop) -> None:
    copied.ingest()
    store = Store.open(copied.request.store)
    release = require_served(store)
    searcher = Searcher(
        ReleaseSnapshot.of(store, release), QueryEncoders(text=FakeTexts()), SearchConfig()
    )
    hits = searcher.search_text("cobalt vase").hits
    shown = [hit.video_id for hit in hits]
    assert len(shown) == len(set(shown))
    (hit,) = [hit for hit in hits if {"c", "again"} & {hit.video_id, *hit.copies}]
    assert {hit.video_id, *hit.copies} == {"c", "again"}


def test_a_shop_without_pictures_knows_its_duplicates_too(copied: Shop) -> None:
    copied.set_products([{"sku": "S", "title": "Lamp"}])
    copied.ingest()
    found = clusters(copied)
    assert found["again"] == found["c"]
    assert len(set(found.values())) == 3


@pytest.mark.slow
def test_a_copy_that_comes_has_its_original_linked_anew(copied: Shop) -> None:
    rows = [{"video_id": name, "file": f"videos/{name}.mp4", "merchant_skus": []} for name in "abc"]
    copied.set_videos(rows)
    copied.ingest()
    copied.set_videos([*rows, {"video_id": "again", "file": "videos/again.mp4"}])
    result = copied.ingest()
    links = Store.open(copied.request.store).table("links").to_arrow().to_pylist()
    fresh = {row["video_id"] for row in links if row["run_id"] == result.release.run_id}
    assert {"c", "again"} <= fresh
    assert "b" not in fresh


class Blind(Comparer):
    """Compares by an index that finds nothing."""

    def _nearest(self, key: str, frames: VideoFrames) -> set[str]:
        return set()


@pytest.mark.slow
def test_what_the_index_does_not_find_is_compared_where_it_is_said(copied: Shop) -> None:
    """The gate asks the index, which finds fewer than sketches did when the videos were new."""
    copied.ingest()
    store = Store.open(copied.request.store)
    states = store.link_states()
    keys = {
        facts.video_id: key
        for key, facts in store.video_facts(store.table("videos").version).items()
    }
    frames = store.video_frames([keys["c"]])
    mean = np.zeros(frames[keys["c"]].vectors.shape[1], np.float32)
    index = VectorIndex(table="segments", column="frame_vector", kind="ivf_pq", rows=12)
    found = Blind(store, index, mean, CONFIG, due=0)
    again = states[keys["again"]].content_sha256
    assert again not in found.duplicates(frames)[keys["c"]]
    assert again in found.duplicates(frames, {keys["c"]: [keys["again"]]})[keys["c"]]
    by_sketches = Comparer(store, index.model_copy(update={"kind": "flat"}), mean, CONFIG)
    assert again in by_sketches.duplicates(frames)[keys["c"]]
