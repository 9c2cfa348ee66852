"""The example shop through the command line, Ray and the real models."""

import json
from pathlib import Path

import pytest

from benchmarks.same_rows import differing_rows
from reelshelf.indexer.store.tables import Store
from tests.commands import EXAMPLE_SHOP, ingest, reelshelf

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


@pytest.mark.parametrize(
    ("query", "sku"),
    [("Serata Stiletto", "SH-7125"), ("I really like the retro television", "EL-9190")],
)
def test_words_find_the_right_product(example_store: Path, query: str, sku: str) -> None:
    (best,) = reelshelf("search", "--store", str(example_store), query, "-k", "1")["hits"]
    labeled = {r["video_id"] for r in truth() if any(i["sku"] == sku for i in r["links"])}
    assert best["video_id"] in labeled


def test_a_picture_finds_its_product(example_store: Path) -> None:
    right = 0
    pictures = sorted((EXAMPLE_SHOP / "query_images").glob("*.webp"))
    for picture in pictures:
        found = reelshelf(
            "search", "--store", str(example_store), "--image", str(picture), "-k", "1"
        )
        (best,) = found["hits"]
        labeled = {
            r["video_id"] for r in truth() if any(i["sku"] == picture.stem for i in r["links"])
        }
        right += best["video_id"] in labeled
    assert right >= len(pictures) - 2


def test_a_second_run_into_another_store_ends_in_the_same_rows(
    example_store: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    ingest(again)
    assert set(differing_rows(Store.open(str(example_store)), Store.open(str(again))).values()) == {
        0
    }


def test_nothing_is_done_twice(example_store: Path) -> None:
    result = ingest(example_store)
    assert not result["published"]
    assert result["calls"] == {}
    assert Store.open(str(example_store)).table("releases").count_rows() == 1
