import json
from pathlib import Path

from benchmarks.shop import Bar, copy_without_answers
from benchmarks.shop_worker import duplicates


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
    held = [path for path in copy.rglob("*") if path.is_file()]
    assert {path.name for path in held} == {"a.mp4", "queries.jsonl"}
    assert not any(path.is_symlink() for path in copy.rglob("*"))
    assert all(b"relevant" not in path.read_bytes() for path in held)


def test_every_copy_names_the_first_of_its_cluster() -> None:
    rows = duplicates(["b", "a", "c", "d"], ["x", "x", "y", "x"])
    assert rows == [
        {"video_id": "b", "duplicate_of": "a"},
        {"video_id": "d", "duplicate_of": "a"},
    ]


def test_a_bar_knows_its_direction() -> None:
    assert Bar("recall", 0.9, 0.9, at_least=True).reached
    assert not Bar("seconds", 21, 20, at_least=False).reached
