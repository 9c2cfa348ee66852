"""What each stage's output depends on, one by one: its settings, its model, what it reads.

One table says it, and everything else follows from it: fingerprints, what a changed setting does
again, which stages a request for one of them takes along. What is not named here redoes nothing:
limits (`media.max_bytes`), thresholds of what is shown (`linking.link_above`), weights of the
ranking, resources. A new modality is one more row.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from reelshelf.schemas.config import Config
from reelshelf.schemas.keys import Json, fingerprint
from reelshelf.schemas.release import ModelRef, ModelRefs
from reelshelf.schemas.run import Stage, StageFingerprint, StageFingerprints, fingerprint_of_all

# Versions of the code. Raise a stage's when the same input and settings would give other output:
# rows of an older version stay valid until somebody asks for `reindex --outdated`.
#   decode    reelshelf.indexer.media and the cutting of indexer.segments
#   ocr       indexer.reading
#   text      reelshelf.indexer.extract.transcript and the joining of a moment's text
PRODUCTS_VERSION = 3  # what is encoded of a product, and how its pictures are read
# Part of two fingerprints since the first store; it stays, or every product would be redone.
PRODUCT_SCHEME = 2
# What rows have that were written before versions stood in a column of their own.
FIRST_PRODUCTS_VERSION = 2
FIRST_VERSIONS = {"decode": 3, "visual": 1, "asr": 1, "ocr": 1, "text": 1}


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One stage. `needs` are the stages whose output it reads, `settings` the keys it depends on.

    `later` are keys that came after the first rows were made, each with the value that changes
    nothing of them: a fingerprint names such a key only where it has another value. `model` is the
    role of its model in ModelRefs, if it has one.
    """

    name: str
    needs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    later: tuple[tuple[str, Json], ...] = ()
    model: str | None = None
    version: int = 1

    def depends_on(self, key: str) -> bool:
        """Whether another value of a key of the config gives another output."""
        return key in self.settings or key in dict(self.later)


STAGES = (
    StageSpec(
        Stage.DECODE,
        settings=(
            "media.backend",
            "media.sample_ms",
            "media.max_frames",
            "media.frame_side",
            "media.cut_threshold",
            "media.near_duplicate",
            "media.segment_ms",
        ),
        later=(
            ("media.frames_per_minute", 60),
            ("media.max_frames_per_hour", 3600),
            ("media.chunk_s", 120),
        ),
        version=5,
    ),
    StageSpec(Stage.VISUAL, needs=(Stage.DECODE,), model="image"),
    StageSpec(
        Stage.ASR,
        needs=(Stage.DECODE,),
        settings=(
            "asr.language",
            "asr.min_log_probability",
            "asr.max_no_speech",
            "asr.max_compression_ratio",
        ),
        later=(("asr.when_subtitled", "run"), ("asr.shared_windows", False)),
        model="asr",
        version=3,
    ),
    StageSpec(
        Stage.OCR,
        needs=(Stage.DECODE,),
        settings=(
            "ocr.detect_side",
            "ocr.min_confidence",
            "ocr.min_edge_density",
            "ocr.same_text",
        ),
        model="ocr",
        version=4,
    ),
    StageSpec(
        Stage.TEXT,
        needs=(Stage.ASR, Stage.OCR),
        later=(("text.analyzer", "simple"),),
        model="text",
        version=2,
    ),
)
# What reading the words on a product picture depends on, beside its model.
PICTURE_SETTINGS = ("ocr.detect_side", "ocr.min_confidence")
# What links that are stored depend on, beside their calibration and what they are made from.
LINK_SETTINGS = ("linking.keep_above",)
LATER_LINK_SETTINGS: Mapping[str, Json] = {"text.analyzer": "simple", "linking.trust": {}}
# A video that is refused for one of these is tried again when it changes; no other is.
LIMITS = ("media.max_duration_s", "media.max_side", "media.max_bytes")
# Limits that came later, each with the value that is not told.
_LATER_LIMITS: Mapping[str, Json] = {"media.max_pixels": 7680 * 4320}


def stage_fingerprints(
    config: Config, refs: ModelRefs, stages: Sequence[StageSpec] = STAGES
) -> StageFingerprints:
    """The fingerprint of every stage for this config and these models."""
    made: dict[str, StageFingerprint] = {}
    for stage in stages:
        parts: list[Json] = [stage.name, *(made[name].value for name in stage.needs)]
        parts.append(
            settings_of(config, stage.settings) | later_settings(config, dict(stage.later))
        )
        if stage.model is not None:
            parts.append(identity(getattr(refs, stage.model)))
        made[stage.name] = StageFingerprint(fingerprint(parts), stage.version)
    return made


def picture_fingerprints(refs: ModelRefs, config: Config) -> tuple[str, str]:
    """Fingerprints of what encodes product pictures, and of what reads them."""
    look = fingerprint([PRODUCT_SCHEME, identity(refs.image)])
    return look, fingerprint([identity(refs.ocr), settings_of(config, PICTURE_SETTINGS)])


def picture_fingerprint(refs: ModelRefs, config: Config) -> str:
    """Fingerprint of both."""
    return fingerprint(list(picture_fingerprints(refs, config)))


def later_settings(config: Config, later: Mapping[str, Json]) -> dict[str, Json]:
    """The keys that came later and have another value than the one that changes nothing."""
    values = settings_of(config, tuple(later))
    return {key: value for key, value in values.items() if value != later[key]}


def settings_of(config: Config, keys: Sequence[str]) -> dict[str, Json]:
    """The values of some keys of the config, by their names."""
    return {key: attrgetter(key)(config) for key in keys}


def identity(ref: ModelRef) -> dict[str, Json]:
    """What tells one model from another."""
    return {
        "name": ref.name,
        "revision": ref.revision,
        "sha256": ref.sha256,
        "dim": ref.dim,
        "preprocessing": ref.preprocessing,
        "space": ref.space,
    }


def failure_fingerprint(made: StageFingerprints, config: Config) -> str:
    """What decides whether a video that failed would fail again: all stages, and the limits."""
    limits = settings_of(config, LIMITS) | later_settings(config, _LATER_LIMITS)
    return fingerprint([fingerprint_of_all(made), limits])


def with_dependants(names: Collection[str], stages: Sequence[StageSpec] = STAGES) -> frozenset[str]:
    """These stages and those that read their output, in however many steps."""
    found = set(names)
    for stage in stages:
        if found & set(stage.needs):
            found.add(stage.name)
    return frozenset(found)


# What changing a key redoes beside stages; a key that is in none of these redoes nothing.
_REDONE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(PICTURE_SETTINGS, ("pictures",)),
    **dict.fromkeys((*LINK_SETTINGS, *LATER_LINK_SETTINGS), ("links",)),
    **dict.fromkeys((*LIMITS, *_LATER_LIMITS), ("failed videos",)),
    "models.image": ("new generation",),
    "models.text": ("new generation",),
    "models.asr": (Stage.ASR, Stage.TEXT),
    "models.ocr": (Stage.OCR, Stage.TEXT, "pictures"),
    "linking.visual_stats_segments": ("links, when statistics are next measured",),
}
_REDONE_SECTIONS = {"duplicates": ("duplicates",), "index": ("indexes",)}


def redone_by(key: str, stages: Sequence[StageSpec] = STAGES) -> tuple[str, ...]:
    """What changing a key of the config redoes, as docs/config.md shows it.

    A stage of videos takes along those that read its output; `decode` stands for a whole redo.
    """
    own = [stage.name for stage in stages if stage.depends_on(key)]
    if Stage.DECODE in own:
        return ("all stages",)
    found = with_dependants(own, stages) if own else frozenset()
    section = key.partition(".")[0]
    others = _REDONE.get(key, _REDONE_SECTIONS.get(section, ()))
    return (*(stage.name for stage in stages if stage.name in found), *others)
