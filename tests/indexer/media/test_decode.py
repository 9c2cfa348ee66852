"""Real files through both backends."""

from pathlib import Path

import numpy as np
import pytest

from reelshelf.indexer.media.decode import decode_video
from reelshelf.indexer.media.pyav import PyavVideo
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from tests.support.clips import BLUE, GREEN, RED, write_clip

BACKENDS = ["pyav", "decord"]


@pytest.fixture(params=BACKENDS)
def config(request: pytest.FixtureRequest) -> MediaConfig:
    pytest.importorskip("decord" if request.param == "decord" else "av")
    return MediaConfig(backend=request.param)


def test_frames_cuts_sound_and_length(tmp_path: Path, config: MediaConfig) -> None:
    path = write_clip(tmp_path / "v.mp4", [RED, GREEN], sound=True)
    video = decode_video(path, config)
    assert (video.info.width, video.info.height, video.info.codec) == (96, 64, "h264")
    assert video.end_ms == pytest.approx(2000, abs=20)
    assert len(video.shots) == 2
    assert video.shots[1].start_ms == pytest.approx(1000, abs=250)
    reddest = video.frames[0].pixels.mean(axis=(0, 1))
    assert reddest.argmax() == 0
    assert video.audio is not None
    assert len(video.audio) / 16 == pytest.approx(2000, abs=150)
    assert np.abs(video.audio).max() > 0.2 * 32768


def test_time_is_the_frames_own_and_not_its_number(tmp_path: Path, config: MediaConfig) -> None:
    times = [0, 400, 3000, 3600]
    path = write_clip(tmp_path / "vfr.mp4", [RED, RED, BLUE, BLUE], times_ms=times)
    video = decode_video(path, config)
    assert video.shots[1].start_ms == 3000
    assert all(frame.time_ms in times for frame in video.frames)


def test_frames_are_scaled_and_never_enlarged(tmp_path: Path, config: MediaConfig) -> None:
    path = write_clip(tmp_path / "v.mp4", [RED], size=(160, 80))
    small = config.model_copy(update={"frame_side": 80})
    assert decode_video(path, small).frames[0].pixels.shape == (40, 80, 3)
    assert decode_video(path, config).frames[0].pixels.shape == (80, 160, 3)


@pytest.mark.parametrize("at_ms", [0, 999, 1000, 1500, 2999, 9000])
def test_a_picture_is_the_one_that_is_shown_at_its_time(tmp_path: Path, at_ms: int) -> None:
    colors = [RED, GREEN, BLUE]
    path = write_clip(tmp_path / "v.mp4", colors)
    with PyavVideo.open(path, MediaConfig(), sound=False) as video:
        pixels = video.picture_at(at_ms)
    assert pixels is not None
    assert pixels.mean(axis=(0, 1)).argmax() == min(2, at_ms // 1000)


@pytest.mark.parametrize("name", ["v.ts", "v.mkv", "v.avi", "v.flv"])
def test_a_picture_is_found_in_every_container(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, [RED, GREEN, BLUE])
    for at_ms, color in ((100, 0), (1500, 1), (2500, 2)):
        with PyavVideo.open(path, MediaConfig(), sound=False) as video:
            pixels = video.picture_at(at_ms)
        assert pixels is not None
        assert pixels.mean(axis=(0, 1)).argmax() == color, at_ms


def test_between_two_frames_the_earlier_one_is_shown(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "v.mp4", [RED, BLUE, GREEN], times_ms=[0, 400, 3000])
    for at_ms, color in ((399, 0), (400, 2), (2999, 2), (3000, 1)):
        with PyavVideo.open(path, MediaConfig(), sound=False) as video:
            pixels = video.picture_at(at_ms)
        assert pixels is not None
        assert pixels.mean(axis=(0, 1)).argmax() == color


def kind_of(path: Path, config: MediaConfig) -> FailureKind:
    with pytest.raises(MediaError) as error:
        decode_video(path, config)
    return error.value.kind


def test_files_that_are_no_videos_say_what_they_are(tmp_path: Path, config: MediaConfig) -> None:
    from PIL import Image

    picture = tmp_path / "picture.mp4"
    Image.new("RGB", (64, 64)).save(picture, format="PNG")
    text = tmp_path / "text.mp4"
    text.write_text("<html>not found</html>" * 50)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    playlist = tmp_path / "list.mp4"
    playlist.write_text("ffconcat version 1.0\nfile /etc/hostname\n")
    assert kind_of(picture, config) == FailureKind.STILL_IMAGE
    assert kind_of(text, config) == FailureKind.NOT_A_VIDEO
    assert kind_of(empty, config) == FailureKind.EMPTY
    assert kind_of(playlist, config) == FailureKind.NOT_A_VIDEO
    assert kind_of(tmp_path / "nowhere.mp4", config) == FailureKind.UNREADABLE
    assert kind_of(tmp_path, config) == FailureKind.UNREADABLE


def test_a_cut_off_file_keeps_what_can_be_saved(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "v.mkv", [RED, GREEN, BLUE, RED])
    data = whole.read_bytes()
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(data[: len(data) * 2 // 3])
    video = decode_video(broken, MediaConfig())
    assert 500 < video.end_ms < 4000


def test_limits_are_kept(tmp_path: Path, config: MediaConfig) -> None:
    path = write_clip(tmp_path / "v.mp4", [RED, GREEN, BLUE])
    assert kind_of(path, config.model_copy(update={"max_bytes": 10})) == FailureKind.TOO_LARGE
    assert kind_of(path, config.model_copy(update={"max_side": 80})) == FailureKind.TOO_LARGE
    assert kind_of(path, config.model_copy(update={"max_duration_s": 1})) == FailureKind.TOO_LONG


@pytest.mark.parametrize("name", ["-rf.mp4", "%03d.mp4", "a b;c'd.mp4", "видео.mp4"])
def test_a_name_means_nothing_but_itself(
    tmp_path: Path, name: str, config: MediaConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "v.mp4", [RED]).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert decode_video(Path(name), config).frames
