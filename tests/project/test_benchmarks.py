import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness import Bar, copy_without_answers
from benchmarks.quality import calibration_error, calibration_figures, precision_at
from benchmarks.shop_worker import duplicates
from reelshelf.indexer.quality.labeled import Labeled, LabeledPair


def test_what_is_measured_never_sees_an_answer(tmp_path: Path) -> None:
    bench = tmp_path / "bench"
    (bench / "videos").mkdir(parents=True)
    (bench / "videos" / "a.mp4").write_bytes(b"video")
    secret = {"query_id": "q", "text": "lamp", "relevant_skus": ["S"], "relevant_video_ids": ["a"]}
    (bench / "queries.jsonl").write_text(json.dumps(secret) + "\n")
    (bench / "labels.jsonl").write_text('{"video_id": "a"}\n')
    copy = tmp_path / "copy"
    copy_without_answers(bench, copy)
    assert json.loads((copy / "queries.jsonl").read_text()) == {"query_id": "q", "text": "lamp"}
    stored = [path for path in copy.rglob("*") if path.is_file()]
    assert {path.name for path in stored} == {"a.mp4", "queries.jsonl"}
    assert not any(path.is_symlink() for path in copy.rglob("*"))
    assert all(b"relevant" not in path.read_bytes() for path in stored)


def test_every_copy_names_the_first_of_its_cluster() -> None:
    rows = duplicates(["b", "a", "c", "d"], ["x", "x", "y", "x"])
    assert rows == [
        {"video_id": "b", "duplicate_of": "a"},
        {"video_id": "d", "duplicate_of": "a"},
    ]


def judged(*pairs: tuple[float, bool], silent: int = 0) -> tuple[Labeled, list[float]]:
    labeled = Labeled(
        tuple(
            LabeledPair(f"v{i}", f"v{i}", "S", {}, linked) for i, (_, linked) in enumerate(pairs)
        ),
        len(pairs),
        (),
        tuple(LabeledPair(f"silent{i}", f"silent{i}", "S", {}, True) for i in range(silent)),
    )
    return labeled, [score for score, _ in pairs]


def test_precision_is_the_best_at_any_threshold_that_recalls_enough() -> None:
    labeled, scores = judged((0.9, True), (0.8, False), (0.7, True), (0.6, False), silent=2)
    assert precision_at(0.25, labeled, scores) == 1.0
    assert precision_at(0.5, labeled, scores) == pytest.approx(2 / 3)
    assert precision_at(0.75, labeled, scores) == 0.0


def test_tied_scores_are_let_in_together() -> None:
    labeled, scores = judged((0.9, True), (0.9, False))
    assert precision_at(1.0, labeled, scores) == 0.5


def test_scores_that_come_true_have_no_calibration_error() -> None:
    halves = np.tile([0.0, 1.0], 50)
    assert calibration_error(np.full(100, 0.5), halves) == 0.0
    assert calibration_error(np.full(100, 0.8), halves) == pytest.approx(0.3)
    assert calibration_error(np.ones(50), np.zeros(50)) == 1.0
    assert calibration_error(np.ones(50), np.ones(50)) == 0.0


def test_a_missed_pair_counts_as_scored_nothing() -> None:
    sure = [(1.0, True)] * 90
    perfect = calibration_figures(*judged(*sure))
    assert perfect["ece"] == perfect["ece_scored"] == 0.0
    missing = calibration_figures(*judged(*sure, (0.04, True), silent=9))
    assert missing["ece_missed_pairs"] == 10
    assert missing["ece"] == pytest.approx(0.1)
    assert missing["ece_scored"] == 0.0


def test_a_bar_knows_its_direction() -> None:
    assert Bar("recall", 0.9, 0.9, at_least=True).reached
    assert not Bar("seconds", 21, 20, at_least=False).reached
