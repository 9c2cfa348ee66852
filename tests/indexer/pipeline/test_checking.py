"""`check`: what a run would refuse, with nothing indexed."""

import json
from pathlib import Path

import pytest

from reelshelf.indexer.pipeline.checking import check_source
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.jobs.cli import main
from reelshelf.schemas.config import load_config
from tests.support.clips import write_clip


@pytest.fixture
def source(tmp_path: Path) -> tuple[Path, Path]:
    catalog, videos = tmp_path / "catalog", tmp_path / "videos"
    catalog.mkdir()
    videos.mkdir()
    rows = [
        {"sku": "A", "title": "Lamp", "images": ["none.jpg", "https://elsewhere.example/a.jpg"]},
        {"sku": "B", "title": "Vase", "price": "1.299"},
        {"sku": "A", "title": "Lamp again"},
        {"sku": "C", "title": "Pot"},
        {"sku": "A", "title": "Lamp once more"},
    ]
    (catalog / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_clip(videos / "good.mp4", [(200, 30, 40)])
    (videos / "good.srt").write_bytes(
        "1\n00:00:00,000 --> 00:00:01,000\nКрасная\n".encode("cp1251")
    )
    (videos / "broken.mp4").write_bytes(b"no video")
    (videos / "cover.jpg").write_bytes(b"x")
    return catalog / "p.jsonl", videos


def test_everything_that_would_be_refused_is_counted_with_its_reason(
    source: tuple[Path, Path],
) -> None:
    found = check_source(str(source[0]), str(source[1]), load_config(), NoProgress())
    assert found.accepted == {"product": 2, "media": 1, "video": 2}
    assert found.refused == {"product": 3, "picture": 2, "media": 1, "subtitles": 1}
    assert found.reasons["product", "sku: stands in an earlier row already"] == 2
    told = {(item.kind, item.line, item.item_id) for item in found.examples}
    assert {("product", 2, "B"), ("product", 3, "A"), ("product", 5, "A")} <= told
    assert found.skipped["not a video by its name (.jpg)"] == 1
    assert found.lists == {"p.jsonl": "reelshelf, JSON, utf-8"}


def test_rows_alone_open_nothing(source: tuple[Path, Path]) -> None:
    found = check_source(str(source[0]), None, load_config(), NoProgress(), rows_only=True)
    assert found.accepted == {"product": 2}
    assert found.refused == {"product": 3}


def test_the_command_tells_people_and_programs(
    source: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["check", "--catalog", str(source[0]), "--videos", str(source[1])]
    assert main(line) == 0
    shown = capsys.readouterr().out
    assert "reelshelf, JSON" in shown
    assert "is ambiguous" in shown
    assert main([*line, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["refused_count"]["product"] == 3
    assert len(told["refused"]) == 7


def test_a_manifest_is_checked_row_by_row(source: tuple[Path, Path], tmp_path: Path) -> None:
    manifest = source[1] / "videos.jsonl"
    rows = [
        {"video_id": "1", "file": "good.mp4"},
        {"video_id": "1", "file": "good.mp4"},
        {"video_id": "2", "file": "../../x"},
    ]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = check_source(str(source[0]), str(manifest), load_config(), NoProgress())
    assert found.refused["video"] == 2
    assert found.reasons["video", "file: lies outside the manifest's folder"] == 1
