import json
from itertools import permutations
from pathlib import Path

import pytest

from reelshelf.indexer.linking.calibration import UNFITTED
from reelshelf.indexer.quality.explain import explain
from reelshelf.indexer.quality.labeled import (
    LabeledPair,
    fit_folds,
    folds_of,
    labeled_pairs,
    read_labels,
)
from reelshelf.indexer.store.releases import require_served
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.cli import main
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.errors import InputError
from tests.support.clips import BLUE, GREEN, RED, write_clip
from tests.support.shops import Shop, write_lines

TRUTH = {
    "a": frozenset({"SKU-red", "SKU-green"}),
    "b": frozenset({"SKU-blue"}),
    "c": frozenset({"SKU-green", "SKU-blue"}),
}


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    rows: list[dict[str, object]] = [
        {"video_id": video, "links": [{"sku": sku} for sku in sorted(skus)]}
        for video, skus in TRUTH.items()
    ]
    write_lines(tmp_path / "labels.jsonl", rows)
    return tmp_path / "labels.jsonl"


def test_labels_are_read_by_video(labels: Path) -> None:
    assert read_labels(labels) == TRUTH


@pytest.mark.parametrize(
    "line", ["no json", '{"video_id": "a"}', '{"video_id": "a", "links": [1]}']
)
def test_a_wrong_label_is_named_with_its_line(labels: Path, line: str) -> None:
    with labels.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=r"labels\.jsonl:4: wanted"):
        read_labels(labels)


def test_a_cluster_stands_in_one_fold_and_folds_are_even() -> None:
    names = [f"c{i}" for i in range(23)]
    fold = folds_of([*names, *names], 5, 0)
    sizes = [list(fold.values()).count(i) for i in range(5)]
    assert max(sizes) - min(sizes) <= 1
    assert folds_of(reversed(names), 5, 0) == fold


def test_no_pair_is_scored_by_its_own_answer() -> None:
    """A signal that only one cluster has cannot be learned from the others."""
    pairs = [
        LabeledPair(f"v{i}", f"c{i}", "S", {Signal.VISUAL_SIMILARITY: float(i % 2)}, i % 2 == 1)
        for i in range(40)
    ]
    odd = LabeledPair("odd", "odd", "S", {Signal.PACKAGING_TEXT: 1.0}, True)
    *others, alone = fit_folds([*pairs, odd], UNFITTED).scores([*pairs, odd])
    assert alone < 0.5
    assert sum((s >= 0.5) == p.linked for s, p in zip(others, pairs, strict=True)) >= 38


def test_every_candidate_of_a_judged_video_is_labeled(shop: Shop) -> None:
    shop.set_videos(
        [
            {"video_id": name, "file": f"videos/{name}.mp4", "merchant_skus": ["SKU-green"]}
            for name in "abc"
        ]
    )
    shop.ingest()
    store = Store.open(shop.request.store)
    truth = TRUTH | {"nobody": frozenset({"SKU-red"})}
    found = labeled_pairs(ReleaseSnapshot.of(store, require_served(store)), truth)
    assert found.unknown == ("nobody",)
    assert found.videos == 3
    judged = {(p.video_id, p.sku): p.linked for p in (*found.pairs, *found.silent)}
    assert {pair for pair, linked in judged.items() if linked} == {
        (video, sku) for video, skus in TRUTH.items() for sku in skus
    }
    # Declared, and in no label: a candidate, and no link.
    assert judged["b", "SKU-green"] is False


def test_the_next_run_links_with_weights_fitted_on_labels(
    shop: Shop, labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos: list[dict[str, object]] = []
    judged: list[dict[str, object]] = []
    names = {RED: "red", GREEN: "green", BLUE: "blue"}
    for number, colors in enumerate(permutations(names, 2)):
        name = f"v{number}"
        write_clip(shop.root / "videos" / f"{name}.mp4", colors)
        videos.append({"video_id": name, "file": f"videos/{name}.mp4", "merchant_skus": []})
        shown = [f"SKU-{names[color]}" for color in colors if number or color == BLUE]
        judged.append({"video_id": name, "links": [{"sku": sku} for sku in shown]})
    shop.set_videos(videos)
    write_lines(labels, judged)
    before = shop.ingest().release.calibration
    words = ["calibrate", "--store", shop.request.store, "--labels", str(labels), "--json"]
    assert main(words) == 0
    fitted = json.loads(capsys.readouterr().out)["calibration"]
    result = shop.ingest()
    assert result.published
    assert result.calls == {}
    assert result.release.calibration.model_dump(mode="json") == fitted
    assert result.release.calibration != before


def test_an_explanation_adds_up_to_the_score(shop: Shop) -> None:
    shop.ingest()
    (found,) = explain(ReleaseSnapshot.open(shop.request.store), "b", "SKU-blue")
    assert found.link is not None
    total = found.bias + sum(c.adds for c in found.contributions)
    assert found.link.score == pytest.approx(1 / (1 + 2.718281828459045**-total))
    assert any(piece.image for piece in found.link.evidence)


def test_a_pair_that_nothing_speaks_for_is_explained_too(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.ingest()
    words = ["explain", "--store", shop.request.store, "--video", "b"]
    assert main([*words, "--sku", "SKU-red"]) == 0
    assert "not linked" in capsys.readouterr().out
    assert main([*words, "--sku", "SKU-none"]) == 2
    assert "has no such SKU" in capsys.readouterr().err
    assert main([*words[:-1], "nobody"]) == 2
    assert "has no such video" in capsys.readouterr().err
