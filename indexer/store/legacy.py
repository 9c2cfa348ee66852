"""Fingerprints as stores of schema 4 and 5 have them, and what they are called now.

Until schema 5 a fingerprint took whole sections of the config: raising a limit decoded the shop
again. Rows of such a store are current if their fingerprint, computed the old way from a config
that the store was run with, is the one they have; then they get the one that today's code gives
that same config. So a setting that is changed during an upgrade is seen, and nothing else is.
"""

from collections.abc import Iterable

from reelshelf.schemas.config import Config
from reelshelf.schemas.keys import Json, fingerprint
from reelshelf.schemas.release import ModelRefs
from reelshelf.schemas.run import Stage
from reelshelf.schemas.stages import (
    PRODUCT_SCHEME,
    failure_fingerprint,
    identity,
    picture_fingerprint,
    picture_fingerprints,
    settings_of,
    stage_fingerprints,
)

# The keys of the sections as those versions had them, by today's names.
_MEDIA = (
    "backend",
    "sample_ms",
    "max_frames",
    "frame_side",
    "cut_threshold",
    "near_duplicate",
    "segment_ms",
    "max_duration_s",
    "max_side",
    "max_bytes",
)
_ASR = ("language", "min_log_probability", "max_no_speech", "max_compression_ratio")
_OCR = ("detect_side", "min_confidence", "min_edge_density", "same_text")
# Of decoding and of cutting; of reading; of cutting sentences.
_DECODE, _CUT, _READ, _SENTENCES = 2, 1, 1, 1


def legacy_fingerprints(config: Config, refs: ModelRefs) -> dict[str, str]:
    """The fingerprint of each stage as schema 5 made it."""
    media = fingerprint([_section(config, "media", _MEDIA), _DECODE, _CUT])
    asr = fingerprint([media, _section(config, "asr", _ASR), identity(refs.asr)])
    ocr = fingerprint([media, _section(config, "ocr", _OCR), identity(refs.ocr), _READ])
    return {
        Stage.DECODE: media,
        Stage.VISUAL: fingerprint([media, identity(refs.image)]),
        Stage.ASR: asr,
        Stage.OCR: ocr,
        Stage.TEXT: fingerprint([asr, ocr, identity(refs.text), _SENTENCES]),
    }


def translations(runs: Iterable[tuple[Config, ModelRefs]]) -> dict[str, str]:
    """Fingerprints of schema 5 and what they are now, for every config that a store was run with.

    Those of stages, of failed videos, of how pictures were read, and of pictures that failed.
    """
    names: dict[str, str] = {}
    for config, refs in runs:
        old, new = legacy_fingerprints(config, refs), stage_fingerprints(config, refs)
        names |= {old[stage]: new[stage].value for stage in old}
        stages = (Stage.DECODE, Stage.VISUAL, Stage.ASR, Stage.OCR, Stage.TEXT)
        names[fingerprint([old[stage] for stage in stages])] = failure_fingerprint(new, config)
        look = fingerprint([PRODUCT_SCHEME, identity(refs.image)])
        read = fingerprint([PRODUCT_SCHEME, identity(refs.ocr), _section(config, "ocr", _OCR)])
        names[read] = picture_fingerprints(refs, config)[1]
        names[fingerprint([look, read])] = picture_fingerprint(refs, config)
    return names


def _section(config: Config, name: str, keys: tuple[str, ...]) -> dict[str, Json]:
    whole = settings_of(config, [f"{name}.{key}" for key in keys])
    return {key.partition(".")[2]: value for key, value in whole.items()}
