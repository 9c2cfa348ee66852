"""Whole runs with fake models, real files, real Lance, in this process."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from reelshelf.indexer.index.parts import column_parts
from reelshelf.indexer.quality.health import bad_vectors
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.releases import list_releases, require_served
from reelshelf.indexer.store.snapshot import PinnedTables, ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.models.protocols import ModelSet
from reelshelf.schemas.config import Config
from reelshelf.schemas.devices import Device
from reelshelf.schemas.errors import (
    ConfigError,
    FailureKind,
    GateRefused,
    InputError,
    ModelUnavailable,
    SpaceMismatch,
    StoreError,
    TooManyFailures,
)
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.media import Pixels, Vectors
from reelshelf.schemas.release import ModelRef
from tests.support.clips import BLUE, GREEN, RED, textured, write_clip
from tests.support.fakes import FakeImages, FakeTexts, decode_never, load_fakes, load_missing
from tests.support.shops import Shop, product_row, small_config


def store_of(shop: Shop) -> Store:
    return Store.open(shop.request.store)


def links_of(shop: Shop) -> dict[tuple[str, str], float]:
    store = store_of(shop)
    found = released_links(ReleaseSnapshot.of(store, require_served(store)))
    return {(video, link.sku): link.score for video, _, link in found}


def video_rows(names: str, **extra: object) -> list[dict[str, object]]:
    rows = [{"video_id": n, "file": f"videos/{n}.mp4", "merchant_skus": []} for n in names]
    return [row | extra for row in rows]


def test_a_run_publishes_what_the_videos_show_and_say(shop: Shop) -> None:
    result = shop.ingest()
    assert result.published
    assert (result.tally.submitted, result.tally.indexed) == (3, 3)
    links = links_of(shop)
    assert links["b", "SKU-blue"] > 0.5
    assert links["a", "SKU-red"] > 0.5  # "a crimson kettle" is said over it
    assert ("b", "SKU-red") not in links
    store = store_of(shop)
    videos = {row["video_id"]: row for row in store.table("videos").to_arrow().to_pylist()}
    assert videos["b"]["absent"] == ["audio"]
    assert videos["a"]["absent"] == []
    assert videos["c"]["duration_ms"] == 3000


def test_a_second_run_does_no_work_and_publishes_nothing(shop: Shop) -> None:
    first = shop.ingest()
    second = shop.ingest()
    assert not second.published
    assert second.release.release_id == first.release.release_id
    assert second.calls == {}
    assert second.tally.skipped == 3


def test_a_changed_video_alone_is_done_again(shop: Shop) -> None:
    shop.ingest()
    write_clip(shop.root / "videos" / "b.mp4", [RED])
    result = shop.ingest()
    assert (result.tally.indexed, result.tally.skipped) == (1, 2)
    assert result.calls["frames_encoded"] == 1
    links = links_of(shop)
    assert ("b", "SKU-blue") not in links
    assert links["b", "SKU-red"] > 0.5


def test_what_left_the_source_leaves_the_store(shop: Shop) -> None:
    shop.ingest()
    shop.set_videos(video_rows("ac"))
    shop.set_products([product_row("red"), product_row("green")])
    shop.ingest()
    store = store_of(shop)
    assert store.table("videos").count_rows() == 2
    gone = video_key("shop", "b")
    assert store.table("segments").count_rows(f"video_key = '{gone}'") == 0
    assert {sku for _, sku in links_of(shop)} == {"SKU-red", "SKU-green"}


def test_a_new_declaration_counts_a_little_without_asking_a_model(shop: Shop) -> None:
    shop.ingest()
    assert ("b", "SKU-green") not in links_of(shop)
    shop.set_videos([*video_rows("ac"), *video_rows("b", merchant_skus=["SKU-green"])])
    result = shop.ingest()
    assert result.published
    assert result.calls == {}
    # What the video itself shows can overrule a declaration that nothing agrees with.
    links = links_of(shop)
    assert 0.05 < links["b", "SKU-green"] < 0.5 < links["b", "SKU-blue"]


def test_a_new_title_asks_no_model_about_videos(shop: Shop) -> None:
    shop.ingest()
    renamed = product_row("blue") | {"title": "Crimson Kettle Deluxe"}
    shop.set_products([product_row("red"), product_row("green"), renamed])
    result = shop.ingest()
    assert result.calls == {"products_encoded": 1}


def test_a_changed_model_setting_redoes_the_videos(shop: Shop) -> None:
    shop.ingest()
    result = shop.ingest(small_config(media={"sample_ms": 500}))
    assert result.tally.indexed == 3


def test_a_bad_video_gets_a_row_that_says_why_and_its_neighbors_are_indexed(shop: Shop) -> None:
    (shop.root / "videos" / "b.mp4").write_text("<html>404</html>")
    result = shop.ingest(small_config(gate={"max_failure_rate": 0.5}))
    assert (result.tally.indexed, result.tally.failed) == (2, 1)
    (row,) = store_of(shop).table("failures").to_arrow().to_pylist()
    assert (row["item_id"], row["stage"], row["kind"]) == ("b", "decode", "not_a_video")
    assert row["attempt"] == 1


def test_a_broken_file_rests_until_it_changes(shop: Shop) -> None:
    config = small_config(gate={"max_failure_rate": 0.5})
    (shop.root / "videos" / "b.mp4").write_text("broken")
    (first,) = shop.ingest(config).failed
    (second,) = shop.ingest(config, decode=decode_never).failed
    assert (second.kind, second.message, second.attempt) == (first.kind, first.message, 1)
    assert store_of(shop).table("failures").to_arrow()["attempt"].to_pylist() == [1]
    write_clip(shop.root / "videos" / "b.mp4", [BLUE])
    shop.ingest(config)
    assert store_of(shop).table("failures").count_rows() == 0


def test_a_video_whose_bytes_went_bad_keeps_no_rows(shop: Shop) -> None:
    shop.ingest()
    (shop.root / "videos" / "b.mp4").write_text("overwritten")
    shop.ingest(small_config(gate={"max_failure_rate": 1.0}))
    ids = store_of(shop).table("videos").to_arrow()["video_id"].to_pylist()
    assert sorted(ids) == ["a", "c"]


def test_a_video_that_cannot_be_read_tonight_keeps_what_is_known_of_it(shop: Shop) -> None:
    shop.ingest()
    (shop.root / "videos" / "b.mp4").rename(shop.root / "videos" / "elsewhere.mp4")
    result = shop.ingest(small_config(gate={"max_failure_rate": 0.5}))
    assert [f.kind for f in result.failed] == [FailureKind.UNREADABLE]
    assert store_of(shop).table("videos").count_rows() == 3


def test_an_outage_costs_nothing_but_the_night(shop: Shop) -> None:
    shop.ingest()
    (shop.root / "videos").rename(shop.root / "unmounted")
    with pytest.raises(TooManyFailures):
        shop.ingest()
    (shop.root / "unmounted").rename(shop.root / "videos")
    assert shop.ingest().calls == {}


def test_links_that_a_refused_run_deleted_come_back(shop: Shop) -> None:
    shop.ingest()
    before = links_of(shop)
    shop.set_products([product_row("red"), product_row("green")])
    with pytest.raises(GateRefused, match="products: wanted >= 3, found 2"):
        shop.ingest(small_config(gate={"min_products": 3}))
    shop.set_products([product_row(name) for name in ("red", "green", "blue")])
    shop.ingest()
    assert links_of(shop) == before


def test_too_many_failures_publish_nothing(shop: Shop) -> None:
    shop.ingest()
    for name in "bc":
        (shop.root / "videos" / f"{name}.mp4").write_text("broken")
    write_clip(shop.root / "videos" / "a.mp4", [GREEN])
    with pytest.raises(TooManyFailures, match=r"2 of 3 videos failed \(2 not_a_video\)"):
        shop.ingest()
    store = store_of(shop)
    assert len(list_releases(store)) == 1
    statuses = store.table("runs").to_arrow()["status"].to_pylist()
    assert sorted(statuses) == ["published", "too_many_failures"]
    # The published release still shows what it showed.
    release = require_served(store)
    assert store.table("videos", release.table_version("videos")).count_rows() == 3


def test_the_gate_refuses_and_the_last_release_stays(shop: Shop) -> None:
    shop.ingest()
    shop.set_videos(video_rows("b"))
    with pytest.raises(GateRefused, match=r"videos: wanted >= 2, found 1"):
        shop.ingest(small_config(gate={"min_videos": 2, "max_shrink": 0.9}))
    assert len(list_releases(store_of(shop))) == 1


def test_a_source_that_has_lost_most_of_its_videos_deletes_nothing(shop: Shop) -> None:
    shop.ingest()
    shop.set_videos(video_rows("b"))
    with pytest.raises(GateRefused, match=r"2 of the 3 videos .* nothing was deleted"):
        shop.ingest()
    assert store_of(shop).table("videos").count_rows() == 3


class BrokenImages(FakeImages):
    """Gives no number for anything mostly blue."""

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        vectors = super().encode_images(images)
        blue = [image.mean(axis=(0, 1)).argmax() == 2 for image in images]
        vectors[blue, 0] = np.nan
        return vectors


def load_broken(config: Config) -> ModelSet:
    fakes = load_fakes(config)
    return ModelSet(BrokenImages(), fakes.text, fakes.asr, fakes.ocr, None)


def test_a_vector_that_is_no_number_costs_its_video_and_no_other(shop: Shop) -> None:
    result = shop.ingest(small_config(gate={"max_failure_rate": 0.9}), load_broken)
    assert {f.video_id: f.kind for f in result.failed} == {
        "b": FailureKind.MODEL,
        "c": FailureKind.MODEL,
    }
    assert result.tally.indexed == 1
    assert [p.sku for p in result.rejected_pictures] == ["SKU-blue"]


def test_bad_vectors_in_a_table_are_counted(shop: Shop) -> None:
    shop.ingest()
    store = store_of(shop)

    def bad() -> int:
        numbers = [piece.fragment_id for piece in store.dataset("segments").get_fragments()]
        pinned = PinnedTables.newest(store)
        return sum(map(bad_vectors, column_parts(pinned, "segments", "frame_vector", numbers, 2)))

    assert bad() == 0
    store.table("segments").update(where="video_id = 'b'", values={"frame_vector": [3.0] * 32})
    assert bad() == 1


def test_a_missing_model_fails_before_any_video_is_touched(shop: Shop) -> None:
    with pytest.raises(ModelUnavailable, match="on holiday"):
        shop.ingest(loader=load_missing)
    assert not (shop.root / "store").exists()


def test_bad_rows_and_pictures_are_reported_and_the_product_stays(shop: Shop) -> None:
    (shop.root / "catalog" / "images" / "blue.png").write_bytes(b"no picture")
    shop.set_products([product_row("red"), product_row("blue"), {"sku": "X"}])
    result = shop.ingest()
    reasons = {row.item_id: row.reason for row in result.rejected}
    assert "title: field required" in reasons["X"]
    (picture,) = result.rejected_pictures
    assert (picture.sku, picture.uri) == ("SKU-blue", "images/blue.png")
    assert "is no picture that can be read" in picture.reason
    assert result.release.quality.products == 2
    assert result.release.quality.products_with_picture == 1


def test_a_catalog_without_pictures_links_by_words(shop: Shop) -> None:
    shop.set_products([product_row("red") | {"images": []}])
    result = shop.ingest()
    assert result.published
    assert links_of(shop)["a", "SKU-red"] > 0.5


def test_a_catalog_with_no_usable_row_is_an_error(shop: Shop) -> None:
    shop.set_products([{"sku": "X"}])
    with pytest.raises(InputError, match=r"no usable product \(line 1: title: field required"):
        shop.ingest()


@pytest.mark.parametrize(
    "name", ["o'brien", 'a"b', "x' OR '1'='1", "../../etc", "新しい靴", "a\nb", "[bold]x[/bold]"]
)
def test_a_strangers_id_stays_data(shop: Shop, name: str) -> None:
    shop.set_videos([{"video_id": name, "file": "videos/b.mp4", "merchant_skus": [name]}])
    shop.set_products([product_row("blue") | {"sku": name}])
    shop.ingest()
    store = store_of(shop)
    release = require_served(store)
    # Control characters alone are taken out of ids.
    stored = re.sub(r"[\x00-\x08]", "", name)
    (found,) = released_links(ReleaseSnapshot.of(store, release), video_id=stored)
    assert (found[0], found[2].sku) == (stored, stored)
    assert released_links(ReleaseSnapshot.of(store, release), sku="someone else") == []


def test_exact_copies_keep_rows_of_their_own_and_share_a_cluster(shop: Shop) -> None:
    copy = {"video_id": "copy", "file": "videos/b.mp4", "merchant_skus": []}
    shop.set_videos([*video_rows("ab"), copy])
    shop.ingest()
    rows = store_of(shop).table("videos").to_arrow().to_pylist()
    clusters = {row["video_id"]: row["duplicate_cluster"] for row in rows}
    assert clusters["copy"] == clusters["b"] != clusters["a"]


def test_a_store_of_another_schema_version_is_refused_in_words(shop: Shop) -> None:
    shop.ingest()
    store = store_of(shop)
    store.table("store").update(values={"schema_version": 99})
    with pytest.raises(StoreError, match=r"has schema version 99, .*update reelshelf"):
        Store.open(shop.request.store)


class OtherImages(FakeImages):
    device: Device = "cpu"
    ref = ModelRef(name="other", revision="1", sha256="1", dim=32, space="other-space")


def load_other(config: Config) -> ModelSet:
    fakes = load_fakes(config)
    return ModelSet(OtherImages(), fakes.text, fakes.asr, fakes.ocr, None)


def test_vectors_of_another_encoder_never_enter_a_store(shop: Shop) -> None:
    shop.ingest()
    with pytest.raises(StoreError, match=r"vectors of 'fake-images' and .* 'other-space'"):
        shop.ingest(loader=load_other)


def test_another_shop_does_not_write_into_a_store(shop: Shop) -> None:
    shop.ingest()
    config = Config(**{**dict(small_config()), "shop_id": "rival"})
    with pytest.raises(StoreError, match="belongs to the shop 'shop'"):
        shop.ingest(config)


def test_a_folder_without_a_store_says_how_to_make_one(tmp_path) -> None:
    with pytest.raises(StoreError, match="reelshelf ingest"):
        Store.open(str(tmp_path))


def searcher(shop: Shop, images: FakeImages | None = None) -> Searcher:
    store = store_of(shop)
    config = small_config()
    encoders = QueryEncoders(text=FakeTexts(), image=images or FakeImages())
    return Searcher(ReleaseSnapshot.of(store, require_served(store)), encoders, config.search)


def test_words_find_the_video_its_moment_and_its_product(shop: Shop) -> None:
    shop.ingest()
    best = searcher(shop).search_text("cobalt vase").hits[0]
    assert best.video_id in ("b", "c")
    assert "SKU-blue" in {p.sku for p in best.products}
    assert dict(best.retrievers)["product"] > 0
    hit = next(h for h in searcher(shop).search_text("cobalt vase").hits if h.video_id == "c")
    assert 2000 <= hit.start_ms <= 2250  # cuts are looked for four times a second


def test_a_spoken_phrase_is_found_in_the_transcript(shop: Shop) -> None:
    shop.set_products([product_row("blue")])
    shop.ingest()
    best = searcher(shop).search_text("crimson kettle").hits[0]
    assert best.video_id == "a"
    assert dict(best.retrievers)["lexical"] > 0


def test_a_picture_finds_the_video_that_shows_it(shop: Shop) -> None:
    shop.ingest()
    best = searcher(shop).search_image(textured(BLUE, 80, 80)).hits[0]
    assert best.video_id == "b"


def test_a_category_keeps_other_videos_out(shop: Shop) -> None:
    shop.set_products(
        [product_row("red") | {"category": ["Kitchen"]}, product_row("blue"), product_row("green")]
    )
    shop.ingest()
    hits = searcher(shop).search_text("crimson kettle", category="kitchen").hits
    assert {hit.video_id for hit in hits} == {"a"}
    assert not searcher(shop).search_text("crimson kettle", category="Garden").ranked


def test_a_query_made_with_another_encoder_is_refused(shop: Shop) -> None:
    shop.ingest()
    with pytest.raises(SpaceMismatch, match="'fake-images', the query encoder makes 'other-space'"):
        searcher(shop, OtherImages())


def test_a_searcher_without_an_encoder_says_so(shop: Shop) -> None:
    shop.ingest()
    store = store_of(shop)
    blind = Searcher(
        ReleaseSnapshot.of(store, require_served(store)),
        QueryEncoders(text=FakeTexts()),
        small_config().search,
    )
    with pytest.raises(ConfigError, match="without an image encoder"):
        blind.search_image(textured(BLUE, 8, 8))


def test_a_pinned_searcher_does_not_see_later_writes(shop: Shop) -> None:
    shop.ingest()
    before = searcher(shop)
    asked = [(h.video_id, h.score) for h in before.search_text("cobalt vase").hits]
    write_clip(shop.root / "videos" / "b.mp4", [RED])
    shop.ingest()
    assert [(h.video_id, h.score) for h in before.search_text("cobalt vase").hits] == asked
    assert "b" not in {h.video_id for h in searcher(shop).search_text("cobalt vase", k=1).hits}


def test_segments_of_a_killed_run_are_swept_away(shop: Shop) -> None:
    shop.ingest()
    store = store_of(shop)
    rows = store.table("segments").to_arrow().slice(0, 1).to_pylist()
    orphan = rows[0] | {"segment_key": "0000-0", "video_key": "0000-1"}
    schema = store.table("segments").schema
    store.table("segments").to_lance().insert(pa.Table.from_pylist([orphan], schema=schema))
    write_clip(shop.root / "videos" / "b.mp4", [RED])
    shop.ingest()
    assert "0000-0" not in store.table("segments").to_arrow()["segment_key"].to_pylist()


def test_a_run_in_which_every_video_failed_publishes_the_catalog_only_if_allowed(
    shop: Shop,
) -> None:
    for name in "abc":
        (shop.root / "videos" / f"{name}.mp4").write_text("broken")
    allowed = small_config(gate={"max_failure_rate": 1.0, "min_videos": 0})
    result = shop.ingest(allowed)
    assert result.published
    assert result.release.quality.videos == 0
    assert not searcher(shop).search_text("cobalt vase").ranked
    assert not searcher(shop).search_image(textured(BLUE, 80, 80)).ranked


def test_a_changed_index_setting_makes_a_new_release_without_asking_a_model(shop: Shop) -> None:
    shop.ingest()
    result = shop.ingest(small_config(index={"refine_factor": 20}))
    assert result.published
    assert result.calls == {}
