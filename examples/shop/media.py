"""Pictures, sound and film of made shops: what a camera does to a scene, speech, encoding.

Speech comes from espeak-ng, or from flite where a voice is named "flite:NAME"; they must be on the
PATH.
"""

import random
import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol, TypeVar

import av
import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

FPS = 24
RATE = 22_050
Rgb = npt.NDArray[np.uint8]
Sound = npt.NDArray[np.float32]
Row = dict[str, object]


class Sellable(Protocol):
    """A product of a made shop."""

    @property
    def sku(self) -> str: ...


class Shot(Protocol):
    """One shot of a video: how long it lasts, what is said in it, and what it sells by which sense.

    It grows to hold what is said.
    """

    seconds: float
    speech: str | None

    @property
    def sold(self) -> Iterable[tuple[Sellable, str]]: ...


AnyShot = TypeVar("AnyShot", bound=Shot)


@dataclass(frozen=True)
class Film:
    """What a camera and a microphone have recorded, and which products are where in it."""

    frames: list[Rgb]
    audio: Sound | None
    links: list[Row]

    def labels(self, video_id: str, kind: str, duplicate_of: str | None = None) -> Row:
        """Its row of labels, or that of a copy of it."""
        return {
            "video_id": video_id,
            "links": self.links,
            "duplicate_of": duplicate_of,
            "tags": [f"mode:{kind}"],
        }

    def write(self, folder: Path, video_id: str, kind: str, preset: str) -> Row:
        """Write the video; its row of labels."""
        write_video(folder / f"{video_id}.mp4", self.frames, self.audio, preset)
        return self.labels(video_id, kind)

    def write_copy(
        self, folder: Path, video_id: str, kind: str, preset: str, rng: random.Random
    ) -> Row:
        """Write the video as others post it again; its row of labels."""
        how, changed = copied(self.frames, rng)
        write_video(folder / f"{video_id}-{how}.mp4", changed, self.audio, preset)
        return self.labels(f"{video_id}-{how}", kind, duplicate_of=video_id)


def filmed(
    shots: Sequence[AnyShot],
    shoot: Callable[[AnyShot], list[Rgb]],
    speak: Callable[[str], Sound],
    music: bool,
    rough: float | None,
    rng: random.Random,
) -> Film:
    """Film shots one after the other. `rough` is how noisy speech is; None for a studio."""
    frames: list[Rgb] = []
    spoken: list[tuple[int, Sound]] = []
    links: list[Row] = []
    for shot in shots:
        sound = speak(shot.speech) if shot.speech else None
        if sound is not None:
            shot.seconds = max(shot.seconds, len(sound) / RATE + 0.4)
            spoken.append((len(frames), sound))
        start_ms = len(frames) * 1000 // FPS
        frames += shoot(shot)
        senses: dict[str, list[str]] = {}
        for item, sense in shot.sold:
            senses.setdefault(item.sku, []).append(sense)
        links += [
            {"sku": sku, "start_ms": start_ms, "end_ms": len(frames) * 1000 // FPS,
             "evidence": evidence}
            for sku, evidence in senses.items()
        ]  # fmt: skip
    audio = tune(len(frames) / FPS, rng) if music else None
    if spoken:
        audio = _mixed(spoken, len(frames) / FPS)
        if rough is not None:
            audio = under_noise(audio, rough, rng)
    return Film(frames, audio, links)


def _mixed(spoken: Sequence[tuple[int, Sound]], seconds: float) -> Sound:
    """Sounds, each with the frame that it begins at, as one of that length."""
    audio = np.zeros(int(seconds * RATE), np.float32)
    for start, sound in spoken:
        at = int(start / FPS * RATE)
        audio[at : at + len(sound)] += sound[: len(audio) - at]
    return audio


def printed(sprite: Image.Image, label: str) -> Image.Image:
    """A sprite with a name on it, as packs and shoes have."""
    marked = sprite.copy()
    draw = ImageDraw.Draw(marked)
    font = ImageFont.load_default(marked.height // 8)
    box = draw.textbbox((0, 0), label.upper(), font)
    left, top = (marked.width - box[2]) // 2, (marked.height - box[3]) // 2
    pad = marked.height // 32
    draw.rectangle((left - pad, top, left + box[2] + pad, top + box[3] + pad), fill="white")
    draw.text((left, top), label.upper(), font=font, fill="black")
    return marked


def turned_hue(sprite: Rgb, hue: int) -> Rgb:
    """A sprite's colours `(H, W, 3)` moved by `hue` of OpenCV's 180 steps."""
    hsv = cv2.cvtColor(sprite, cv2.COLOR_RGB2HSV).astype(np.int32)
    hsv[..., 0] = (hsv[..., 0] + hue) % 180
    return np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)


@dataclass(frozen=True)
class Light:
    """How a camera saw one scene; the same for all its frames."""

    gains: tuple[float, float, float]
    gamma: float
    blur: float
    noise: float
    tilt: tuple[float, float]

    @classmethod
    def of(cls, rough: float, rng: random.Random) -> "Light":
        """Draw one; `rough` in 0..1 is how far from a studio it may be."""
        spread = 0.3 * rough
        return cls(
            tuple(rng.uniform(1 - spread, 1 + spread) for _ in range(3)),  # type: ignore[arg-type]
            rng.uniform(1 - 0.4 * rough, 1 + 0.7 * rough),
            rng.uniform(0.0, 2.2 * rough),
            rng.uniform(0.0, 14.0 * rough),
            (rng.uniform(-0.16, 0.16) * rough, rng.uniform(-0.16, 0.16) * rough),
        )

    def on(self, picture: Rgb) -> Rgb:
        """The picture under this light."""
        height, width = picture.shape[:2]
        x, y = self.tilt[0] * width, self.tilt[1] * height
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        moved = corners + np.array([[x, y], [-x, -y], [x, y], [-x, -y]], np.float32) / 2
        seen = cv2.warpPerspective(
            picture,
            cv2.getPerspectiveTransform(corners, moved),
            (width, height),
            borderMode=cv2.BORDER_REFLECT,
        )
        if self.blur > 0.3:
            seen = cv2.GaussianBlur(seen, (0, 0), self.blur)
        linear = (seen.astype(np.float32) / 255.0) ** self.gamma * np.array(self.gains, np.float32)
        # The same grain for the same picture, so that a still scene is still.
        grain = np.random.default_rng(height).normal(0.0, self.noise, seen.shape)
        return np.asarray(np.clip(linear * 255.0 + grain, 0, 255), np.uint8)


def split(upper: Rgb, lower: Rgb) -> Rgb:
    """Two scenes in one frame, one above the other."""
    height = upper.shape[0]
    half = height // 2
    top = height // 4
    return np.concatenate([upper[top : top + half], lower[top : top + height - half]])


def copied(frames: list[Rgb], rng: random.Random) -> tuple[str, list[Rgb]]:
    """A video again, as others post it: what was done to it, and its frames."""
    how = rng.choice(("mirror", "crop", "grade", "trim"))
    if how == "mirror":
        return how, [np.ascontiguousarray(frame[:, ::-1]) for frame in frames]
    if how == "grade":
        gains = np.array([rng.uniform(0.85, 1.15) for _ in range(3)])
        return how, [np.clip(frame * gains, 0, 255).astype(np.uint8) for frame in frames]
    if how == "trim":
        return how, frames[len(frames) // 12 : -len(frames) // 12]
    height, width = frames[0].shape[:2]
    y, x = height // 14, width // 14
    return how, [cv2.resize(frame[y:-y, x:-x], (width, height)) for frame in frames]


def say(text: str, voice: str, words_a_minute: int = 145) -> Sound:
    """Speech at RATE, mono."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        if voice.startswith("flite:"):
            command = ["flite", "-voice", voice.removeprefix("flite:"), "-t", text, "-o", str(path)]
        else:
            speed = str(words_a_minute)
            command = ["espeak-ng", "-v", voice, "-s", speed, "-w", str(path), text]
        subprocess.run(command, check=True)
        with wave.open(str(path)) as file:
            rate = file.getframerate()
            raw = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    sound = raw.astype(np.float32) / 32768.0
    if rate == RATE:
        return sound
    places = np.arange(int(len(sound) * RATE / rate), dtype=np.float64) * rate / RATE
    return np.asarray(np.interp(places, np.arange(len(sound)), sound), np.float32)


def tune(seconds: float, rng: random.Random) -> Sound:
    """A few soft notes, to be mistaken for speech."""
    t = np.arange(int(seconds * RATE), dtype=np.float32) / RATE
    beat = (t * 2).astype(int)
    notes = np.array([rng.choice((220, 262, 330, 392)) for _ in range(beat.max() + 1)], np.float32)
    fading = np.exp(-3 * (t * 2 % 1))
    return np.asarray(0.15 * np.sin(2 * np.pi * notes[beat] * t) * fading, np.float32)


def under_noise(speech: Sound, rough: float, rng: random.Random) -> Sound:
    """Speech with brown noise at 26 dB (smooth) down to 4 dB (rough)."""
    generator = np.random.default_rng(rng.randrange(2**31))
    noise = np.cumsum(generator.normal(0.0, 1.0, len(speech)))
    noise -= np.convolve(noise, np.ones(801) / 801, mode="same")
    level = float(np.sqrt(np.mean(speech**2))) / 10 ** ((26 - 22 * rough) / 20)
    loud = float(np.sqrt(np.mean(noise**2))) or 1.0
    return np.clip(speech + noise * level / loud, -1.0, 1.0).astype(np.float32)


def write_video(path: Path, frames: list[Rgb], audio: Sound | None, preset: str) -> None:
    """Encode H.264 and AAC with the codecs inside PyAV."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"crf": "31", "preset": preset})
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        voice = out.add_stream("aac", rate=RATE, layout="mono") if audio is not None else None
        if voice is not None:
            voice.bit_rate = 40_000
        for frame in frames:
            out.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(video.encode(None))
        if voice is not None and audio is not None:
            for start in range(0, len(audio), 1024):
                block = av.AudioFrame.from_ndarray(audio[None, start : start + 1024], "flt", "mono")
                block.sample_rate, block.pts, block.time_base = RATE, start, Fraction(1, RATE)
                out.mux(voice.encode(block))
            out.mux(voice.encode(None))
