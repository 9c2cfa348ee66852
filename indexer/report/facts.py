"""The facts of a report. Page, JSON and terminal show these records and nothing else.

Every list is cut (`Listing`), so that a report of ten million videos is as long as one of ten
thousand; counts are whole. Instants are UTC, spans are milliseconds, shares lie in 0..1.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Generic, TypeVar

from reelshelf.schemas.gate import Finding, GateCheck
from reelshelf.schemas.release import KindRecall, VectorIndex
from reelshelf.schemas.run import Ending

Row = TypeVar("Row")

MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """The first rows of a list, and how many there are in all."""

    rows: tuple[Row, ...]
    total: int

    @classmethod
    def of(cls, rows: "list[Row] | tuple[Row, ...]", most: int = MOST_LISTED) -> "Listing[Row]":
        """Cut a whole list."""
        return cls(tuple(rows[:most]), len(rows))


@dataclass(frozen=True, slots=True)
class Night:
    """The last run that reached its end, and what kept it from publishing if something did.

    `release_id` is the release that it left as the one served.
    """

    run_id: str
    ending: Ending
    release_id: str | None
    started_at: dt.datetime
    ended_at: dt.datetime
    message: str | None
    refused_by: tuple[GateCheck, ...]


@dataclass(frozen=True, slots=True)
class Headline:
    """What to know before anything else.

    `changes` says in words what differs from the release before; `alerts` what somebody should look
    at. `hold` is why publishing is on hold.
    """

    shop_id: str
    release_id: str
    created_at: dt.datetime
    before_id: str | None
    profile: str
    made_at: dt.datetime
    serving: bool
    forced: str | None
    hold: str | None
    night: Night | None
    changes: tuple[str, ...]
    alerts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bin:
    """How many things lie in `low <= value < high`; the last bin takes its upper end too."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Partitions:
    """How the rows of an index are spread over its partitions."""

    count: int
    smallest: int
    median: float
    largest: int
    empty: int
    imbalance: float
    sizes: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One vector column: how it is searched, how well, and how far it has drifted.

    `low` and `high` bound the recall with 95 % confidence; None where nothing was measured, as in
    an empty column. `cosine` is between the mean vectors of this and the last release. `kinds` are
    recalls by kind of query, of which the least is `recall`.
    """

    name: str
    index: VectorIndex
    recall: float | None
    low: float | None
    high: float | None
    queries: int
    partitions: Partitions | None
    unindexed: int
    missing: int
    bad_vectors: int
    moved: int | None
    cosine: float | None
    kinds: tuple[KindRecall, ...] = ()

    @property
    def tuned(self) -> bool:
        """Whether it is searched with a setting of the curve; drift may have widened it since."""
        index = self.index
        chosen = (index.nprobes, index.refine_factor)
        return chosen in {(point.nprobes, point.refine_factor) for point in index.curve}


@dataclass(frozen=True, slots=True)
class Covered:
    """Products of one category or merchant, and how many of them have a video."""

    name: str
    products: int
    linked: int


@dataclass(frozen=True, slots=True)
class UncoveredProduct:
    """A product without a video."""

    sku: str
    title: str
    category: str
    merchant: str
    first_seen_at: dt.datetime


@dataclass(frozen=True, slots=True)
class NewProduct:
    """A product that came after the first release that is kept, and how long it took.

    `known_at` is when the catalog says it was published, where it does and that is after the
    release before; otherwise when a run first saw it. `hours` go from there to the release.
    """

    sku: str
    title: str
    known_at: dt.datetime
    release_id: str
    hours: float
    linked: bool


@dataclass(frozen=True, slots=True)
class ColdStart:
    """New products: how long until they were searchable, and how many have a video by now."""

    products: Listing[NewProduct]
    median_hours: float
    p90_hours: float
    linked: int


@dataclass(frozen=True, slots=True)
class StaleVideo:
    """A video that may have outlived its use, and why."""

    video_id: str
    title: str
    published_at: dt.datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class DuplicateCluster:
    """Videos that show the same. `videos` lists the first of them."""

    videos: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Supply: which videos sell something, which products are shown.

    `undecided` videos have candidates, but none that counts as a link.
    """

    videos: int
    linked: int
    undecided: int
    products: int
    products_linked: int
    products_with_picture: int
    categories: Listing[Covered]
    merchants: Listing[Covered]
    without_video: Listing[UncoveredProduct]
    cold_start: ColdStart | None
    stale: Listing[StaleVideo]
    duplicates: Listing[DuplicateCluster]
    copies: int

    @property
    def figures(self) -> dict[str, float]:
        """Key figures of supply."""
        found: dict[str, float] = {
            "undecided_share": self.undecided / max(self.videos, 1),
            "copies": self.copies,
            "stale": self.stale.total,
        }
        if self.cold_start is not None:
            found["cold_start_hours"] = self.cold_start.median_hours
        return found


@dataclass(frozen=True, slots=True)
class DemandedCategory:
    """What shoppers search for in a category. `unanswered` searches found no video to show."""

    name: str
    searches: int
    unanswered: int
    clicks: int | None


@dataclass(frozen=True, slots=True)
class UnansweredQuery:
    """A text that was searched for, and that no linked video sells."""

    text: str
    searches: int
    clicks: int | None
    category: str
    why: str


@dataclass(frozen=True, slots=True)
class Demand:
    """A query log against the release. The most searched texts were looked at."""

    source: str
    searches: int
    texts: int
    looked_at: int
    searches_looked_at: int
    unanswered: int
    categories: Listing[DemandedCategory]
    queries: Listing[UnansweredQuery]
    rejected: int

    @property
    def unanswered_share(self) -> float | None:
        """Of the searches that were looked at, how many found nothing; None without any."""
        return self.unanswered / self.searches_looked_at if self.searches_looked_at else None


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Pairs of about one score: the mean score, and the share that truly are links, with bounds."""

    score: float
    observed: float
    low: float
    high: float
    pairs: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """Scores held against labels, from `quality.reliability.SCORED` on.

    `error` is the expected calibration error, None where no pair was judged; true links that are
    scored less, or not at all, are `missed` and count as scored 0. `seen` says that the scores may
    have been fitted on these very labels.
    """

    source: str
    sha256: str
    error: float | None
    pairs: int
    missed: int
    precision: float | None
    recall: float | None
    bins: tuple[ReliabilityBin, ...]
    unknown_videos: int
    fitted_on: str
    seen: bool


@dataclass(frozen=True, slots=True)
class ModalityCombination:
    """Links that exactly these modalities speak for, each by itself."""

    modalities: tuple[str, ...]
    links: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """A declaration of a merchant that the video does not bear out.

    `own` is the best score that visual, print or speech give the declared product, `other` the best
    link of the video to something else; `suspicion` is (1 - own) * other, or 1 - own halved where
    nothing else is seen either.
    """

    video_id: str
    merchant: str
    declared: str
    declared_title: str
    own: float
    other_sku: str
    other_title: str
    other: float
    suspicion: float
    why: str


@dataclass(frozen=True, slots=True)
class SampledLink:
    """One link to look at. `words` are its evidence in words, `link_key` names its pictures."""

    link_key: str
    video_id: str
    sku: str
    title: str
    score: float
    strong: bool
    modalities: tuple[tuple[str, float], ...]
    start_ms: int
    end_ms: int
    at_ms: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Links:
    """Links and their scores. Those from `above` on count; weaker ones are kept for a look.

    Variants of one product of which it is not known which is shown count once. `corrected` are
    links that stand on an override, of `overrides` in all.
    """

    above: float
    strong: int
    weak: int
    scores: tuple[Bin, ...]
    modalities: tuple[ModalityCombination, ...]
    reliability: Reliability | None
    declared: int
    conflicts: Listing[Conflict]
    sample: tuple[SampledLink, ...]
    corrected: int
    overrides: int

    @property
    def figures(self) -> dict[str, float]:
        """Key figures of links."""
        found: dict[str, float] = {"conflicts": self.conflicts.total}
        if self.reliability is not None:
            if self.reliability.error is not None:
                found["calibration_error"] = self.reliability.error
            if self.reliability.precision is not None:
                found["link_precision"] = self.reliability.precision
            if self.reliability.recall is not None:
                found["link_recall"] = self.reliability.recall
        return found


@dataclass(frozen=True, slots=True)
class SearchScores:
    """Means over queries: nDCG@10, R@5, R@10, MRR (see `quality.judged`)."""

    ndcg_at_10: float
    recall_at_5: float
    recall_at_10: float
    mrr: float

    @property
    def figures(self) -> dict[str, float]:
        """Those that are key figures."""
        return {
            "ndcg_at_10": self.ndcg_at_10,
            "recall_at_5": self.recall_at_5,
            "mrr": self.mrr,
        }


@dataclass(frozen=True, slots=True)
class KindOfQuery:
    """Queries of one kind, now and with the release before; None where that was not asked."""

    kind: str
    queries: int
    now: SearchScores
    before: SearchScores | None


@dataclass(frozen=True, slots=True)
class QueryChange:
    """A judged query that is answered better or worse than by the release before, by nDCG@10."""

    query_id: str
    kind: str
    asked: str
    now: float
    before: float


@dataclass(frozen=True, slots=True)
class SearchQuality:
    """Judged queries. `not_compared` says why the release before was not asked, if it was not.

    Milliseconds are of one query at a time in one process, encoding included.
    """

    source: str
    sha256: str
    kinds: tuple[KindOfQuery, ...]
    won: Listing[QueryChange]
    lost: Listing[QueryChange]
    unanswered: int
    p50_ms: float
    p95_ms: float
    before_id: str | None
    not_compared: str | None
    unknown_videos: int
    rejected: int

    @property
    def figures(self) -> dict[str, float]:
        """Key figures over all queries."""
        return self.kinds[0].now.figures | {"search_p95_ms": self.p95_ms}

    @property
    def figures_before(self) -> dict[str, float]:
        """The same of the release before; empty where that was not asked."""
        before = self.kinds[0].before
        return before.figures if before else {}


@dataclass(frozen=True, slots=True)
class StageSpent:
    """What one stage took."""

    stage: str
    cpu_s: float
    gpu_s: float
    cost: float | None


@dataclass(frozen=True, slots=True)
class FailedInput:
    """One input without rows, and why."""

    item: str
    message: str
    attempt: int


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Inputs that failed for one kind of reason, and what to do about it."""

    kind: str
    inputs: Listing[FailedInput]
    todo: str


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A model of the run, and what it ran on."""

    role: str
    name: str
    revision: str
    sha256: str
    device: str


@dataclass(frozen=True, slots=True)
class Ran:
    """The last run that read the shop, whether it published or not.

    `videos_per_hour` and `media_per_second` (seconds of video decoded for each second of wall time)
    are None where nothing was indexed.
    """

    run_id: str
    ending: Ending
    started_at: dt.datetime
    seconds: float
    submitted: int
    indexed: int
    skipped: int
    failed: int
    videos_per_hour: float | None
    media_per_second: float | None
    stages: tuple[StageSpent, ...]
    cost: float | None
    cost_per_video: float | None
    currency: str | None
    calls: tuple[tuple[str, int], ...]
    failures: tuple[FailureGroup, ...]
    without_sound: int
    models: tuple[ModelLine, ...]
    on_gpu: tuple[str, ...]
    on_cpu: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """The key figures of one release."""

    release_id: str
    created_at: dt.datetime
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """All of it. `demand` and `search` are None where no log and no judged queries were given."""

    headline: Headline
    figures: dict[str, float]
    before: dict[str, float] | None
    gate: tuple[GateCheck, ...]
    looked_at: tuple[Finding, ...]
    columns: tuple[ColumnFacts, ...]
    coverage: Coverage
    demand: Demand | None
    links: Links
    search: SearchQuality | None
    ran: Ran | None
    trend: tuple[TrendPoint, ...]
