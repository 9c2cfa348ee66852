"""The quality of what was published, as facts gathered from a release and as text for people."""

import json
from collections import defaultdict
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.compute as pc

from indexer.catalog import clean_text
from indexer.store.tables import Store
from schemas.config import parse_config
from schemas.release import Release

_MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class CategoryCoverage:
    """How many products of a category have a video."""

    category: str
    products: int
    linked: int


@dataclass(frozen=True, slots=True)
class FailureLine:
    """One input that has no rows, and why."""

    item: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """Everything a report shows. Lists are cut at 20 entries; the counts are whole."""

    release: Release
    videos_without_audio: int
    videos_without_link: tuple[str, ...]
    categories: tuple[CategoryCoverage, ...]
    score_histogram: tuple[int, ...]
    failures: tuple[FailureLine, ...]
    failure_count: int

    def to_json(self) -> str:
        """The facts as one JSON object."""
        plain = asdict(self) | {"release": self.release.model_dump(mode="json")}
        return json.dumps(plain, ensure_ascii=False, indent=1)


def report_facts(store: Store, release: Release) -> ReportFacts:
    """Gather the facts of a release from its pinned tables."""
    above = parse_config(json.loads(release.config)).linking.link_above
    links = _pinned(store, release, "links", ["video_key", "sku", "score"])
    videos = _pinned(store, release, "videos", ["video_key", "video_id", "absent"]).to_pylist()
    failures = _pinned(store, release, "failures", ["item_id", "source", "line", "kind", "message"])
    strong = links.filter(pc.field("score") >= above)
    linked = set(strong["video_key"].to_pylist())
    unlinked = sorted(row["video_id"] for row in videos if row["video_key"] not in linked)
    histogram = [0] * 10
    for score in links["score"].to_pylist():
        histogram[min(9, int(score * 10))] += 1
    return ReportFacts(
        release=release,
        videos_without_audio=sum("audio" in row["absent"] for row in videos),
        videos_without_link=tuple(unlinked[:_MOST_LISTED]),
        categories=_by_category(store, release, set(strong["sku"].to_pylist())),
        score_histogram=tuple(histogram),
        failures=tuple(
            FailureLine(
                row["item_id"] or f"{row['source']} line {row['line']}", row["kind"], row["message"]
            )
            for row in failures.slice(0, _MOST_LISTED).to_pylist()
        ),
        failure_count=failures.num_rows,
    )


def as_markdown(facts: ReportFacts) -> str:
    """A report for people."""
    release, quality = facts.release, facts.release.quality
    recalls = [
        [name, f"{recall:.3f}", str(quality.recall_queries[name]), _kind(release, name)]
        for name, recall in quality.recall_at_10.items()
    ]
    coverage = [
        ["videos with a link", f"{quality.videos_linked} of {quality.videos}"],
        ["products with a video", f"{quality.products_linked} of {quality.products}"],
        ["products with a picture", f"{quality.products_with_picture} of {quality.products}"],
        ["segments with text", f"{quality.segments_with_text} of {quality.segments}"],
        ["videos without sound", str(facts.videos_without_audio)],
        ["links", str(quality.links)],
    ]
    run = [
        ["submitted", str(quality.submitted)],
        ["indexed", str(quality.indexed)],
        ["skipped", str(quality.skipped)],
        ["failed", str(quality.failed)],
        ["refused rows", str(quality.rejected_rows)],
    ]
    models = release.models
    named = [models.image, models.text, models.speech, models.reader]
    parts = [
        f"# Release {release.release_id} of {clean_text(release.shop_id)}",
        f"Made {release.created_at} with the profile `{release.profile}`.",
        "## Gate",
        _table(
            ["condition", "wanted", "found", ""],
            [
                [c.name, c.wanted, c.found, "passed" if c.passed else "refused"]
                for c in release.gate
            ],
        ),
        "## Index",
        "Recall is against exact search, on queries that are no rows themselves.",
        _table(["column", "recall@10", "queries", "index"], recalls),
        "## Coverage",
        _table(["", ""], coverage),
        _table(
            ["category", "products", "with a video"],
            [[c.category, str(c.products), str(c.linked)] for c in facts.categories],
        ),
        "## Links by score",
        _table(
            ["score", "links"],
            [
                [f"{i / 10:.1f} - {(i + 1) / 10:.1f}", str(n)]
                for i, n in enumerate(facts.score_histogram)
            ],
        ),
        "## Run",
        _table(["outcome", "videos"], run),
        _table(
            ["model", "revision", "SHA-256"],
            [[m.name, m.revision, m.sha256[:16]] for m in named],
        ),
    ]
    if facts.failures:
        parts.append(f"### Inputs without rows ({facts.failure_count}, the first shown)")
        parts.append(
            _table(["input", "kind", "why"], [[f.item, f.kind, f.message] for f in facts.failures])
        )
    if facts.videos_without_link:
        listed = ", ".join(_cell(video) for video in facts.videos_without_link)
        parts.append(f"### Videos without a link\n\n{listed}")
    return "\n\n".join(parts) + "\n"


def _pinned(store: Store, release: Release, name: str, columns: list[str]) -> pa.Table:
    table = store.of(release.generation).dataset(name, release.table_version(name))
    return table.to_table(columns=columns)


def _by_category(store: Store, release: Release, linked: set[str]) -> tuple[CategoryCoverage, ...]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in _pinned(store, release, "products", ["sku", "category"]).to_pylist():
        entry = counts[row["category"][0] if row["category"] else "(none)"]
        entry[0] += 1
        entry[1] += row["sku"] in linked
    return tuple(CategoryCoverage(name, *counts[name]) for name in sorted(counts))


def _kind(release: Release, name: str) -> str:
    for index in release.indexes:
        if f"{index.table}.{index.column}" == name and index.kind == "ivf_pq":
            return f"IVF{index.partitions},PQ{index.sub_vectors}, {index.nprobes} probes"
    return "flat (exact)"


def _table(head: list[str], body: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows)


def _cell(text: str) -> str:
    """Text of strangers inside a Markdown table: no markup, no line breaks."""
    flat = " ".join(clean_text(text).split())[:200]
    for sign in "\\&<>|`*[]":
        flat = flat.replace(sign, {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(sign, f"\\{sign}"))
    return flat
