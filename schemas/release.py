"""What is published: one record that names the version of every table.

There is no commit across Lance tables, so a release is one row that names them all. A searcher
reads that row once and then sees the tables, indexes, models and parameters of this release until
it moves on.
"""

from pydantic import BaseModel, ConfigDict

from schemas.calibration import Calibration


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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
    speech: ModelRef
    reader: ModelRef
    joint_text: ModelRef | None = None


class TableVersion(_Record):
    """One table as a release sees it."""

    name: str
    version: int
    rows: int


class VectorIndex(_Record):
    """How one vector column is searched. `kind` is "flat" or "ivf_pq"."""

    table: str
    column: str
    kind: str
    rows: int
    partitions: int = 0
    sub_vectors: int = 0
    nprobes: int = 0
    refine_factor: int = 0
    quantizer_sha256: str = ""
    trained_by: str = ""


class Quality(_Record):
    """The first quality figures of a release.

    Recalls are against exact search over the same rows, on vectors that are not rows themselves.
    """

    recall_at_10: dict[str, float]
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


class GateCheck(_Record):
    """One condition of the gate, with what was asked and what was found."""

    name: str
    passed: bool
    wanted: str
    found: str


class Release(_Record):
    """The record of one release."""

    release_id: str
    sequence: int
    created_at: str
    schema_version: int
    shop_id: str
    profile: str
    run_id: str
    tables: list[TableVersion]
    models: ModelRefs
    indexes: list[VectorIndex]
    quality: Quality
    gate: list[GateCheck]
    background_id: str | None
    calibration: Calibration
    linking_fingerprint: str
    config: str

    def table_version(self, name: str) -> int:
        """Version of the table `name` in this release. KeyError if it has no such table."""
        for table in self.tables:
            if table.name == name:
                return table.version
        raise KeyError(f"release {self.release_id} has no table {name!r}")
