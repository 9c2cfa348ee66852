"""A smaller form of `benchmarks.cluster`, and a model stage that stands still."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reelshelf.indexer.extract import work
from reelshelf.indexer.sources.local import stamp_of
from reelshelf.jobs.engines.ray.engine import RayEngine
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import parse_config
from reelshelf.schemas.errors import FailureKind
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.media import DecodedVideo
from reelshelf.schemas.outcomes import Failed, VideoJob
from tests.support.clips import GREEN, RED, write_clip
from tests.support.commands import ROOT
from tests.support.fakes import load_fake_detector, load_stalling

pytestmark = pytest.mark.integration


@pytest.mark.slow
def test_a_lost_node_loses_nothing() -> None:
    command = [sys.executable, "-m", "benchmarks.cluster", "--videos", "9", "--node-only"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert all(bar["reached"] for bar in result["bars"])


@pytest.mark.slow
def test_a_stage_that_stands_still_stops_the_one_before_it(ray_node: None, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [RED, GREEN])
    stamp = stamp_of(path)
    taken = 0

    def endless() -> Iterator[VideoJob]:
        nonlocal taken
        while True:
            taken += 1
            name = str(taken)
            yield VideoJob(video_key("shop", name), VideoSource(name, str(path)), stamp)

    engine = {"model_workers": 1, "decode_workers": 1, "videos_per_batch": 2}
    settings = parse_config({"engine": engine | {"model_deadline_s": 4.0}})
    decoded = work.decode(VideoJob("k", VideoSource("a", str(path)), stamp), settings)
    assert isinstance(decoded, DecodedVideo)
    size = sum(frame.pixels.nbytes for frame in decoded.frames)
    with RayEngine(settings, load_stalling, detector=load_fake_detector) as running:
        running._most_bytes = 4 * size
        first = next(running.index_videos(endless()))
    assert isinstance(first, Failed)
    assert first.kind is FailureKind.DEADLINE
    # Four videos may lie in the object store, and as many are on their way as there are decoders.
    assert taken <= 4 + 1 + 1
