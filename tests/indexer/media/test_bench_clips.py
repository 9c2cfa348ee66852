"""Real clips, where the benchmark folder is there."""

import json
import shutil
from pathlib import Path

import pytest

from reelshelf.indexer.media.decode import decode_video
from reelshelf.indexer.pipeline.ingest import ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.videos import read_videos
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.models.registry import load_models
from reelshelf.schemas.config import MediaConfig, StorageConfig
from tests.support.commands import EXAMPLE_SHOP, ROOT
from tests.support.fakes import load_fakes
from tests.support.shops import small_config, write_lines

pytestmark = pytest.mark.integration

# What ffprobe 5.1 says of each clip's best video stream; recorded once.
EXPECTED = json.loads((ROOT / "tests" / "data" / "realclips.json").read_text())


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_times_and_sizes_are_those_of_ffprobe(bench: Path, name: str) -> None:
    expected = EXPECTED[name]
    path = bench / "realclips" / name
    video = decode_video(path, MediaConfig(sample_ms=1, near_duplicate=0.0, max_frames=1000))
    assert video.counts.frames_decoded == expected["frames"]
    assert video.end_ms == pytest.approx(expected["end_ms"], abs=2)
    assert (video.info.codec, video.info.has_audio) == (expected["codec"], expected["has_audio"])
    assert [video.info.width, video.info.height] == expected["displayed"]
    times = expected["times_ms"]
    assert all(min(abs(f.time_ms - t) for t in times) <= 1 for f in video.frames)


@pytest.mark.slow
def test_every_real_clip_has_an_outcome(bench: Path, tmp_path: Path) -> None:
    listed = read_videos(str(bench / "realclips"), Files(StorageConfig()))
    assert len(listed.videos) == len(EXPECTED)
    assert {Path(s.video_id).suffix for s in listed.skipped} == {".txt", ".flac", ".wav"}
    request = IngestRequest(
        str(EXAMPLE_SHOP / "catalog" / "products.jsonl"),
        str(bench / "realclips"),
        str(tmp_path / "store"),
    )
    engine = lambda config: LocalEngine(config, load_fakes)  # noqa: E731
    result = ingest(request, small_config(), engine, NoProgress())
    assert result.tally.indexed == len(EXPECTED)
    assert result.tally.submitted == len(EXPECTED) + len(listed.skipped)
    assert result.published


@pytest.mark.slow
def test_a_few_clips_of_a_whole_shop(bench: Path, tmp_path: Path) -> None:
    shop = bench / "dev"
    rows = [json.loads(line) for line in (shop / "videos.jsonl").read_text().splitlines()][:2]
    (tmp_path / "videos").mkdir()
    for row in rows:
        shutil.copyfile(shop / row["file"], tmp_path / row["file"])
    write_lines(tmp_path / "videos.jsonl", rows)
    lines = (shop / "catalog" / "products.jsonl").read_text().splitlines()[:12]
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "products.jsonl").write_text("\n".join(lines))
    shutil.copytree(shop / "catalog" / "images", tmp_path / "catalog" / "images")
    request = IngestRequest(
        str(tmp_path / "catalog" / "products.jsonl"),
        str(tmp_path / "videos.jsonl"),
        str(tmp_path / "store"),
    )
    engine = lambda config: LocalEngine(config, load_models)  # noqa: E731
    result = ingest(request, small_config(), engine, NoProgress())
    assert result.tally.indexed == 2
    assert result.release.quality.segments >= 4
    assert result.release.quality.products_with_picture >= 10
