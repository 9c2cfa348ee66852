import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness import Bar, copy_without_answers
from benchmarks.joining import Clip, Occurrence, encode_alike, join, order
from benchmarks.long_video import found
from benchmarks.quality import calibration_error, calibration_figures, precision_at
from benchmarks.shop_worker import duplicates
from reelshelf.indexer.media.decode import decode_video
from reelshelf.indexer.media.decoder import TICK_MS
from reelshelf.indexer.quality.labeled import Labeled, LabeledPair
from reelshelf.schemas.config import parse_config
from tests.support.clips import BLUE, GREEN, RED, write_clip


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


def test_a_repetition_is_found_only_by_a_span_that_meets_it() -> None:
    occurrences = [
        Occurrence("long", "S", ((1_000, 2_000),), 0),
        Occurrence("long", "S", ((61_000, 62_000),), 3),
        Occurrence("long", "T", ((2_000, 3_000),), 0),
    ]
    link = {"video_id": "long", "sku": "S", "score": 0.9, "intervals": [[1_000, 3_000]]}
    unsure = {"video_id": "long", "sku": "T", "score": 0.4, "intervals": [[2_000, 3_000]]}
    stray = {"video_id": "long", "sku": "U", "score": 0.8, "intervals": [[0, 500], [9_000, 9_500]]}
    result = found(occurrences, [link, unsure, stray])
    assert result.recall == pytest.approx(1 / 3)
    assert result.quarters == (0.5, 1.0, 1.0, 0.0)
    assert result.span_precision == pytest.approx(1 / 3)
    assert result.pair_precision == 0.5
    assert result.tiou == pytest.approx(0.5)


def test_a_span_over_two_repetitions_in_a_row_is_right() -> None:
    spans = [(0, 1_000), (1_000, 2_000)]
    occurrences = [Occurrence("long", "S", (span,), 0) for span in spans]
    link = {"video_id": "long", "sku": "S", "score": 0.9, "intervals": [[0, 2_000]]}
    assert found(occurrences, [link]).tiou == 1.0


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    folder = tmp_path_factory.mktemp("alike")
    clips = []
    for number, color in enumerate((RED, GREEN, BLUE)):
        source = write_clip(folder / f"{number}.mp4", [color] * 2, sound=number != 1)
        path = folder / f"{number}.mkv"
        length_ms = encode_alike(source, path, (160, 96))
        clips.append(Clip(str(number), path, length_ms, (("S", ((500, 1_500),)),)))
    return clips


def test_joined_clips_play_one_after_the_other(alike: list[Clip], tmp_path: Path) -> None:
    occurrences = join(alike, tmp_path / "joined.mkv", "joined")
    video = decode_video(tmp_path / "joined.mkv", parse_config({}).media)
    assert video.counts.corrupt_packets == video.counts.clock_jumps == 0
    assert video.end_ms == pytest.approx(sum(clip.length_ms for clip in alike), abs=200)
    assert len(video.shots) == 3
    assert video.audio is not None
    assert len(video.audio) // 16 == pytest.approx(video.end_ms, abs=100)
    for shot, occurrence in zip(video.shots, occurrences, strict=True):
        assert occurrence.spans[0][0] - 500 == pytest.approx(shot.start_ms, abs=TICK_MS)
    middle = (video.shots[1].start_ms + video.shots[1].end_ms) * 8
    quiet = video.audio[middle - 4000 : middle + 4000]
    assert np.abs(quiet).max() < 300


def test_every_clip_is_in_the_videos_that_are_joined(alike: list[Clip]) -> None:
    long = order(alike, minutes=1, seed=0)
    assert len(long) == 1
    assert sum(clip.length_ms for clip in long[0]) >= 60_000
    assert {clip.video_id for clip in long[0][:3]} == {"0", "1", "2"}
    short = order(alike, minutes=1 / 20, seed=0)
    assert len(short) == 2
    assert sorted({clip.video_id for part in short for clip in part}) == ["0", "1", "2"]
