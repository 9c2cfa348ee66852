"""The example shop through the command line, Ray and the real models."""

import json
import shutil
from pathlib import Path

import pytest

from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import TABLE_KEYS, Store
from reelshelf.models.pictures import load_picture
from reelshelf.models.registry import load_image_encoder, load_query_encoder
from tests.support.commands import EXAMPLE_SHOP, ingest, reelshelf

pytestmark = pytest.mark.integration


def truth() -> list[dict[str, object]]:
    return [json.loads(line) for line in (EXAMPLE_SHOP / "labels.jsonl").read_text().splitlines()]


def test_links_by_sight_alone_are_found_well_above_chance(example_store: Path) -> None:
    links = reelshelf("links", "--store", str(example_store), "--min-score", "0.05")
    by_sight = {(i["video_id"], i["sku"]) for i in links if i["scores"]["visual"] >= 0.5}
    shown = {
        (row["video_id"], link["sku"])
        for row in truth()
        for link in row["links"]
        if link["evidence"] == ["visual"]
    }
    # A guess would be right once in 34 products.
    assert len(shown & by_sight) / len(shown) >= 0.7
    true_pairs = {(row["video_id"], link["sku"]) for row in truth() for link in row["links"]}
    assert len(true_pairs & by_sight) / len(by_sight) >= 0.7


def test_captions_and_speech_are_found_with_their_moments(example_store: Path) -> None:
    links = reelshelf("links", "--store", str(example_store))
    for modality in ("ocr", "visual"):
        assert any(i["scores"][modality] > 0.5 for i in links)
    spans = {(i["video_id"], i["sku"]): i["spans"] for i in links}
    for row in truth():
        for link in row["links"]:
            found = spans.get((row["video_id"], link["sku"]))
            if found and "visual" in link["evidence"]:
                overlap = sum(
                    max(0, min(s["end_ms"], link["end_ms"]) - max(s["start_ms"], link["start_ms"]))
                    for s in found
                )
                assert overlap > 500


@pytest.fixture(scope="module")
def searcher(example_store: Path) -> Searcher:
    snapshot = ReleaseSnapshot.open(str(example_store))
    encoders = QueryEncoders(
        text=load_query_encoder(snapshot.config), image=load_image_encoder(snapshot.config)
    )
    return Searcher(snapshot, encoders)


def test_the_command_finds_what_the_searcher_finds(example_store: Path, searcher: Searcher) -> None:
    picture = EXAMPLE_SHOP / "query_images" / "FO-5390.webp"
    store = ("--store", str(example_store), "-k", "1")
    (by_words,) = reelshelf("search", *store, "Serata Stiletto")["hits"]
    (by_picture,) = reelshelf("search", *store, "--image", str(picture))["hits"]
    assert by_words["video_id"] == searcher.search_text("Serata Stiletto").hits[0].video_id
    assert by_picture["video_id"] == searcher.search_image(load_picture(picture)).hits[0].video_id


@pytest.mark.parametrize(
    ("query", "sku"),
    [("Serata Stiletto", "SH-7125"), ("I really like the retro television", "EL-9190")],
)
def test_words_find_the_right_product(searcher: Searcher, query: str, sku: str) -> None:
    best = searcher.search_text(query, k=1).hits[0]
    labeled = {r["video_id"] for r in truth() if any(i["sku"] == sku for i in r["links"])}
    assert best.video_id in labeled


def test_a_picture_finds_its_product(searcher: Searcher) -> None:
    right = 0
    pictures = sorted((EXAMPLE_SHOP / "query_images").glob("*.webp"))
    for picture in pictures:
        best = searcher.search_image(load_picture(picture), k=1).hits[0]
        labeled = {
            r["video_id"] for r in truth() if any(i["sku"] == picture.stem for i in r["links"])
        }
        right += best.video_id in labeled
    assert right >= len(pictures) - 2


@pytest.mark.slow
def test_a_second_run_into_another_store_ends_in_the_same_rows(
    example_store: Path, tmp_path: Path
) -> None:
    """Of some of its inputs: what the models make of one depends on no other."""
    rows = (EXAMPLE_SHOP / "videos.jsonl").read_text().splitlines()[:3]
    (tmp_path / "videos.jsonl").write_text("\n".join(rows))
    shutil.copytree(EXAMPLE_SHOP / "videos", tmp_path / "videos")
    products = (EXAMPLE_SHOP / "catalog" / "products.jsonl").read_text().splitlines()[:6]
    shutil.copytree(EXAMPLE_SHOP / "catalog", tmp_path / "catalog")
    (tmp_path / "catalog" / "products.jsonl").write_text("\n".join(products))
    reelshelf(
        *("ingest", "--store", str(tmp_path / "again")),
        *("--catalog", str(tmp_path / "catalog" / "products.jsonl")),
        *("--videos", str(tmp_path / "videos.jsonl")),
    )
    one, again = Store.open(str(example_store)), Store.open(str(tmp_path / "again"))
    for name, owner in (
        ("products", "product_key"),
        ("product_images", "product_key"),
        ("segments", "video_key"),
    ):
        right = rows_of(again, name)
        kept = {row[owner] for row in right}
        assert right
        assert [row for row in rows_of(one, name) if row[owner] in kept] == right


def rows_of(store: Store, name: str) -> list[dict[str, object]]:
    """Rows as the models made them, in the order of their keys."""
    ignored = {"run_id", "first_seen_at", "path", "cell_checksums"}
    rows = store.table(name).to_arrow().sort_by(TABLE_KEYS[name]).to_pylist()
    return [{k: v for k, v in row.items() if k not in ignored} for row in rows]


@pytest.mark.slow
def test_nothing_is_done_twice(example_store: Path, tmp_path: Path) -> None:
    store = shutil.copytree(example_store, tmp_path / "store")
    result = ingest(store)
    assert not result["published"]
    assert result["calls"] == {}
    assert Store.open(str(store)).table("releases").count_rows() == 1
