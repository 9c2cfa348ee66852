"""Files whose streams are not one picture and one sound on one clock."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from reelshelf.indexer.media.decode import decode_video
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.media import Samples
from tests.support.clips import BLUE, GREEN, RED, textured, write_clip

CONFIG = MediaConfig()
RATE = 16_000


def tone(hertz: int, seconds: float, loud: float = 0.4) -> np.ndarray:
    t = np.arange(int(seconds * RATE), dtype=np.float32) / RATE
    return loud * np.sin(2 * np.pi * hertz * t)


def write_tracks(
    path: Path,
    tracks: Sequence[tuple[np.ndarray, str | None, Disposition]],
    *,
    pictures: int = 10,
) -> Path:
    """A video of a second at least, with sound tracks of given languages and dispositions."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        sounds = []
        for _, language, disposition in tracks:
            stream = out.add_stream("aac", rate=RATE, layout="mono")
            if language:
                stream.metadata["language"] = language
            stream.disposition = disposition
            sounds.append(stream)
        for number in range(pictures):
            frame = av.VideoFrame.from_ndarray(textured(RED, 96, 64), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for stream, (samples, _, _) in zip(sounds, tracks, strict=True):
            for start in range(0, len(samples), 1024):
                part = av.AudioFrame.from_ndarray(
                    samples[None, start : start + 1024].astype(np.float32), "flt", "mono"
                )
                part.sample_rate, part.pts, part.time_base = RATE, start, Fraction(1, RATE)
                out.mux(stream.encode(part))
            out.mux(stream.encode(None))
    return path


def pitch(sound: Samples | None) -> int:
    assert sound is not None
    spectrum = np.abs(np.fft.rfft(sound[RATE // 4 : RATE // 4 + RATE // 2].astype(np.float32)))
    return int(spectrum.argmax()) * 2


NONE, DEFAULT, COMMENT = Disposition(0), Disposition.default, Disposition.comment


def test_the_track_in_the_wanted_language_is_heard(tmp_path: Path) -> None:
    tracks = [(tone(400, 1.0), "eng", DEFAULT), (tone(900, 1.0), "ger", NONE)]
    path = write_tracks(tmp_path / "v.mkv", tracks)
    assert pitch(decode_video(path, CONFIG).audio) == 400
    assert pitch(decode_video(path, CONFIG, language="de-AT").audio) == 900
    assert pitch(decode_video(path, CONFIG, language="fr").audio) == 400


def test_a_silent_track_before_a_speaking_one_is_passed_over(tmp_path: Path) -> None:
    tracks = [(np.zeros(RATE), None, DEFAULT), (tone(700, 1.0), None, NONE)]
    assert pitch(decode_video(write_tracks(tmp_path / "v.mkv", tracks), CONFIG).audio) == 700


def test_the_default_is_preferred_and_a_comment_is_not(tmp_path: Path) -> None:
    tracks = [(tone(400, 1.0), None, NONE), (tone(900, 1.0), None, DEFAULT)]
    assert pitch(decode_video(write_tracks(tmp_path / "a.mkv", tracks), CONFIG).audio) == 900
    tracks = [(tone(400, 1.0), None, DEFAULT | COMMENT), (tone(900, 1.0), None, NONE)]
    assert pitch(decode_video(write_tracks(tmp_path / "b.mkv", tracks), CONFIG).audio) == 900


@pytest.mark.parametrize("sound", [True, False])
def test_a_picture_holds_while_there_is_sound(tmp_path: Path, sound: bool) -> None:
    path = write_tracks(tmp_path / "v.mp4", [(tone(400, 5.0), None, DEFAULT)], pictures=1)
    video = decode_video(path, CONFIG, sound=sound)
    assert video.end_ms == pytest.approx(5000, abs=120)
    assert video.shots[-1].end_ms == video.end_ms


def test_a_clock_that_starts_anew_goes_on(tmp_path: Path) -> None:
    """Two recordings in one transport stream, each with a clock of its own."""
    parts = [
        write_clip(tmp_path / f"{name}.ts", colors, sound=True).read_bytes()
        for name, colors in (("a", [RED, GREEN]), ("b", [BLUE, RED, GREEN]))
    ]
    path = tmp_path / "v.ts"
    path.write_bytes(b"".join(parts))
    video = decode_video(path, CONFIG)
    assert video.end_ms == pytest.approx(5000, abs=200)
    assert video.counts.clock_jumps == 1
    assert [round(shot.start_ms, -3) for shot in video.shots] == [0, 1000, 2000, 3000, 4000]
    assert video.audio is not None
    assert len(video.audio) / 16 == pytest.approx(5000, abs=300)


def test_what_is_too_long_is_refused_by_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(tmp_path / "v.mp4", [RED, GREEN, BLUE])
    monkeypatch.setattr("av.Packet.decode", None, raising=False)
    with pytest.raises(MediaError, match="lasts 3 s") as told:
        decode_video(path, CONFIG.model_copy(update={"max_duration_s": 2}))
    assert told.value.kind is FailureKind.TOO_LONG


def test_pixels_are_limited_and_not_sides_only(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "v.mp4", [RED])
    with pytest.raises(MediaError, match=r"media\.max_pixels"):
        decode_video(path, CONFIG.model_copy(update={"max_pixels": 96 * 64 - 1}))
