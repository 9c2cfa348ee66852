"""What is published: one record that names the version of every table.

There is no commit across Lance tables, so a release is one row that names them all. A searcher
reads that row once and then sees the tables, indexes, models and parameters of this release until
it moves on.
"""

from pydantic import BaseModel, ConfigDict

from reelshelf.schemas.calibration import Calibration
from reelshelf.schemas.gate import Finding, GateCheck
from reelshelf.schemas.upgrades import release_record


class _Record(BaseModel):
    # What a newer version added is not for this one: it never keeps a record from being read.
    model_config = ConfigDict(extra="ignore", frozen=True)


class ModelRef(_Record):
    """Exactly which model made something.

    `space` names the vector space: two models share it if their vectors may be compared. `dim` is
    0 for models that make no vectors. `sha256` is of the weights' bytes.
    """

    name: str
    revision: str
    sha256: str
    dim: int = 0
    preprocessing: str = ""
    space: str = ""


class ModelRefs(_Record):
    """The models of one run."""

    image: ModelRef
    text: ModelRef
    asr: ModelRef
    ocr: ModelRef
    joint_text: ModelRef | None = None


class TableVersion(_Record):
    """One table as a release sees it.

    `table` is its name in the store, `name` what it is for; they differ in later generations.
    `files` and `bytes` are what the version is made of, `sha256` is of the list of its files with
    their sizes and hashes, in order of their paths: see `reelshelf verify`.
    """

    name: str
    table: str
    version: int
    rows: int
    files: int = 0
    bytes: int = 0
    sha256: str = ""


class SearchPoint(_Record):
    """How one way to search an index does: recall@10 against exact search, and milliseconds.

    `bytes_read` is what one query touches: codes of the partitions probed, and full vectors.
    """

    nprobes: int
    refine_factor: int
    recall: float
    p50_ms: float
    p95_ms: float
    bytes_read: int


class Drift(_Record):
    """An index now beside what it was when its quantizer was trained.

    `bytes_trained` is what one query read then. `error` is the mean squared distance between a unit
    vector and its code, of the rows that were indexed last; `imbalance` how much larger the largest
    partition is than the mean one. Recalls are on the queries drawn at training, and on rows added
    since (the same where there are none); `recalls_trained` is what training reached for each kind
    of query.
    """

    rows_trained: int
    bytes_trained: int
    imbalance_trained: float
    imbalance: float
    error_trained: float
    error: float
    recall_trained: float
    recall_fixed: float
    recall_fresh: float
    recalls_trained: dict[str, float] = {}


class VectorIndex(_Record):
    """How one vector column is searched. `kind` is "flat" or "ivf_pq".

    `name` is the index's name in Lance. `curve` is what was measured on the way to `nprobes` and
    `refine_factor`; `rebuilt` says why the index was trained anew, if it was for this release.
    """

    table: str
    column: str
    kind: str
    rows: int
    name: str = ""
    metric: str = "cosine"
    partitions: int = 0
    sub_vectors: int = 0
    nprobes: int = 0
    refine_factor: int = 0
    quantizer_sha256: str = ""
    trained_by: str = ""
    built_by: str = ""
    recall_target: float = 0.0
    curve: list[SearchPoint] = []
    drift: Drift | None = None
    rebuilt: str | None = None


class KindRecall(_Record):
    """Recall@10 of one column for one kind of query, with its standard error.

    `worst` is that of the tenth of the partitions, or categories, that is found worst; None where
    there are too few of them to tell.
    """

    kind: str
    recall: float
    error: float
    queries: int
    worst: float | None = None
    worst_error: float = 0.0


class JudgedQuality(_Record):
    """nDCG@10 on queries that have known answers, beside that of the served release.

    `change` is the mean of the differences, `low` and `high` the ends of its 95 % interval.
    """

    queries: int
    ndcg: float
    before: float | None = None
    change: float = 0.0
    low: float = 0.0
    high: float = 0.0


class Ordering(_Record):
    """How often what belongs together is nearer than strangers, with its standard error."""

    share: float
    error: float


class LinkChange(_Record):
    """Links of videos and products that the served release has as they are.

    `before` and `now` are how many there are, `kept` how many are in both.
    """

    before: int
    kept: int
    now: int


class Quality(_Record):
    """The first quality figures of a release.

    Recalls are against exact search over the same rows, on vectors that are not rows themselves:
    the least over all kinds of queries, which `recalls` has one by one; `recall_error` is its
    standard error over `recall_queries` queries. `failure_rate` is of the videos that the run
    tried, `failure_rate_new` of those that were new or changed; releases that were made before it
    was counted do not have it. `findings` are what the gate looked at and what it found, `judged`
    how queries with known answers are answered. `orderings` say how often things that belong
    together are nearer than strangers, now and in the served release; `link_change` compares its
    links. Beside another generation, `titles` are answers to titles of products.
    """

    recall_at_10: dict[str, float]
    recall_error: dict[str, float] = {}
    recall_queries: dict[str, int]
    videos: int
    videos_linked: int
    products: int
    products_with_picture: int
    products_linked: int
    links: int
    segments: int
    segments_with_text: int
    submitted: int
    indexed: int
    skipped: int
    failed: int
    failures_by_kind: dict[str, int]
    bad_vectors: dict[str, int]
    rejected_rows: int
    health: "Health"
    failure_rate: float | None = None
    recalls: dict[str, list[KindRecall]] = {}
    findings: list[Finding] = []
    failure_rate_new: float | None = None
    judged: JudgedQuality | None = None
    titles: JudgedQuality | None = None
    orderings: dict[str, Ordering] = {}
    orderings_before: dict[str, Ordering] = {}
    link_change: LinkChange | None = None

    @property
    def share_failed(self) -> float:
        """The failure rate; of a release that does not have it, of all that was submitted."""
        if self.failure_rate is not None:
            return self.failure_rate
        return self.failed / (self.submitted or 1)


class Health(_Record):
    """What must not be in a release, counted; `Quality.findings` says the rest.

    `unindexed` are rows that an index does not cover; `missing` are rows with a vector that no
    partition holds. `centers` is, for each vector column, the cosine between the mean vectors
    of this and the last release: another model's vectors point elsewhere. `moved` are rows of a
    sample whose vector is another than in the last release although nothing that it is made from
    is. `damaged` names files that are not what they were; None where nobody looked
    (`gate.verify_files`).
    """

    unindexed: dict[str, int]
    missing: dict[str, int]
    wrong_indexes: list[str]
    centers: dict[str, float]
    moved: dict[str, int]
    damaged: list[str] | None


class CatalogState(_Record):
    """What a catalog held as far as links are made of it: digests of its prices, and of the rest.

    `changed` is by how many products it differs from that of the release, from one release to the
    next, in sum.
    """

    rest: str
    prices: str
    changed: int = 0


class Release(_Record):
    """The record of one release. `forced` is why it was published against the gate's word.

    `corrected` tells of links that people have changed since the gate has seen it.
    """

    release_id: str
    sequence: int
    created_at: str
    schema_version: int
    generation: int
    shop_id: str
    profile: str
    run_id: str
    tables: list[TableVersion]
    models: ModelRefs
    indexes: list[VectorIndex]
    quality: Quality
    gate: list[GateCheck]
    visual_stats_id: str | None
    calibration: Calibration
    linking_fingerprint: str
    # Of all that links are made from beside the catalog; the states of this that links of the
    # release were made from, its own first: in these, what has changed since changes nothing; and
    # the versions of the tables that hold the catalog. Empty in releases of before.
    linking_settings_fingerprint: str = ""
    catalog_states: list[CatalogState] = []
    catalog_versions: dict[str, int] = {}
    config: str
    forced: str | None = None
    corrected: str | None = None

    @classmethod
    def read(cls, text: str) -> "Release":
        """A stored record, of any version."""
        return cls.model_validate(release_record(text))

    @property
    def name_of_run(self) -> str:
        """Name of its tags: two runs that claim one number never move each other's."""
        return f"{self.release_id}-{self.run_id[:8]}"

    def index_of(self, table: str, column: str) -> VectorIndex:
        """How a column is searched. KeyError if it has no vectors."""
        for index in self.indexes:
            if (index.table, index.column) == (table, column):
                return index
        raise KeyError(f"release {self.release_id} has no index on {table}.{column}")

    def table_version(self, name: str) -> int:
        """Version of the table `name` in this release. KeyError if it has no such table."""
        for table in self.tables:
            if table.name == name:
                return table.version
        raise KeyError(f"release {self.release_id} has no table {name!r}")
