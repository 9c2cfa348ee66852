"""What a report says of links: scores, modalities, contradicted merchants, a sample to look at."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.quality.reliability import SCORED, calibration_error, reliability
from reelshelf.indexer.report.columns import wilson
from reelshelf.indexer.report.facts import (
    Bin,
    Conflict,
    Links,
    Listing,
    ModalityCombination,
    Reliability,
    ReliabilityBin,
    SampledLink,
)
from reelshelf.indexer.store.links import COUNTED_BY, one_a_group
from reelshelf.indexer.store.overrides import read_overrides
from reelshelf.indexer.store.products import product_titles
from reelshelf.indexer.store.rows import links_from, modality_scores
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import among
from reelshelf.indexer.text.wording import describe
from reelshelf.schemas.keys import product_key
from reelshelf.schemas.links import Modality, ProductLink

_BINS = 20
_CONTENT = (Modality.VISUAL, Modality.OCR, Modality.ASR, Modality.POST_TEXT)
# A modality speaks for a link by itself from here on.
_SPEAKS = 0.5
_MOST_WORDS = 4


@dataclass(frozen=True, slots=True)
class Labels:
    """The SKUs that each judged video sells, and the file that says so."""

    name: str
    truth: Mapping[str, frozenset[str]]
    sha256: str


@dataclass(frozen=True, slots=True)
class _Video:
    """A video that a merchant declares products for, with the content scores of its links."""

    video_id: str
    merchant: str
    declared: tuple[str, ...]
    content: Mapping[str, float]

    def rival(self) -> tuple[str, float]:
        """What the video shows best of all that is not declared for it; 0 without any."""
        others = [(v, sku) for sku, v in self.content.items() if sku not in self.declared]
        score, sku = max(others, default=(0.0, ""))
        return sku, score


def link_section(snapshot: ReleaseSnapshot, labels: Labels | None, sample: int) -> Links:
    """Links of a release. `sample` is how many are to be looked at, half of them strong."""
    columns = ["link_key", "video_id", "sku", "score", "scores", "post_text_score", "override"]
    found = one_a_group(snapshot.scan("links", [*columns, *COUNTED_BY]))
    scores = found["score"].to_numpy().astype(float)
    strong = scores >= snapshot.link_above
    counts, edges = np.histogram(scores, _BINS, (0.0, 1.0))
    declared, conflicts = _conflicts(snapshot, found)
    return Links(
        above=snapshot.link_above,
        strong=int(strong.sum()),
        weak=int((~strong).sum()),
        scores=tuple(
            Bin(float(low), float(high), int(count))
            for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
        ),
        modalities=_modalities(found.filter(pa.array(strong))),
        reliability=_reliability(snapshot, found, labels) if labels else None,
        declared=declared,
        conflicts=Listing.of(conflicts),
        sample=_sample(snapshot, found["link_key"].to_pylist(), strong, sample),
        corrected=int(
            pc.sum(pc.is_valid(pc.struct_field(found["override"], "verdict"))).as_py() or 0
        ),
        overrides=len(read_overrides(snapshot.store)),
    )


def _modalities(strong: pa.Table) -> tuple[ModalityCombination, ...]:
    """How many links each combination of modalities speaks for, the most frequent first."""
    cells = zip(strong["scores"].to_pylist(), strong["post_text_score"].to_pylist(), strict=True)
    counts = Counter(
        tuple(modality.value for modality, score in found.items() if score >= _SPEAKS)
        for found in (modality_scores(*own) for own in cells)
    )
    return tuple(ModalityCombination(modalities, n) for modalities, n in counts.most_common())


def _conflicts(snapshot: ReleaseSnapshot, found: pa.Table) -> tuple[int, list[Conflict]]:
    """How many declarations there are, and those that the videos do not bear out, worst first."""
    videos = _declared(snapshot, found)
    products = snapshot.scan("products", ["product_key", "sku", "title"]).to_pylist()
    titles = {row["sku"]: row["title"] for row in products}
    conflicts = []
    for video in videos:
        for sku in video.declared:
            own = video.content.get(sku, 0.0)
            if own >= _SPEAKS:
                continue
            rival, other = video.rival()
            if sku not in titles:
                why = "the catalog has no such SKU"
            elif other >= _SPEAKS:
                why = "the video shows something else"
            else:
                why = "nothing in the video speaks for it"
            conflicts.append(
                Conflict(
                    video_id=video.video_id,
                    merchant=video.merchant,
                    declared=sku,
                    declared_title=titles.get(sku, ""),
                    own=own,
                    other_sku=rival,
                    other_title=titles.get(rival, ""),
                    other=other,
                    suspicion=(1.0 - own) * max(other, 0.5),
                    why=why,
                )
            )
    conflicts.sort(key=lambda c: (-c.suspicion, c.video_id, c.declared))
    return sum(len(video.declared) for video in videos), conflicts


def _declared(snapshot: ReleaseSnapshot, found: pa.Table) -> list[_Video]:
    columns = ["video_key", "video_id", "merchant_id", "merchant_skus"]
    rows = snapshot.scan("videos", columns, "merchant_skus IS NOT NULL").to_pylist()
    rows = [row for row in rows if row["merchant_skus"]]
    keys = pa.array([row["video_key"] for row in rows], pa.string())
    content: dict[str, dict[str, float]] = defaultdict(dict)
    for row in found.filter(pc.is_in(found["video_key"], keys)).to_pylist():
        scores = modality_scores(row["scores"], row["post_text_score"])
        best = max(scores[modality] for modality in _CONTENT)
        content[row["video_key"]][row["sku"]] = best
    return [
        _Video(
            row["video_id"],
            row["merchant_id"] or "",
            tuple(dict.fromkeys(row["merchant_skus"])),
            content.get(row["video_key"], {}),
        )
        for row in rows
    ]


def _reliability(snapshot: ReleaseSnapshot, found: pa.Table, labels: Labels) -> Reliability:
    """Stored scores of the judged videos against their labels."""
    stored = set(snapshot.scan("videos", ["video_id"])["video_id"].to_pylist())
    judged = {video: skus for video, skus in labels.truth.items() if video in stored}
    scored: dict[tuple[str, str], float] = {}
    for row in found.select(["video_id", "sku", "score"]).to_pylist():
        if row["video_id"] in judged and row["score"] >= SCORED:
            scored[row["video_id"], row["sku"]] = row["score"]
    true = {(video, sku) for video, skus in judged.items() for sku in skus}
    missed = true - scored.keys()
    said = [*scored.values(), *(0.0 for _ in missed)]
    linked = [float(pair in true) for pair in scored] + [1.0] * len(missed)
    strong = {pair for pair, score in scored.items() if score >= snapshot.link_above}
    fitted_on = snapshot.release.calibration.fitted_on
    return Reliability(
        source=labels.name,
        sha256=labels.sha256,
        error=calibration_error(said, linked) if said else None,
        pairs=len(said),
        missed=len(missed),
        precision=len(strong & true) / len(strong) if strong else None,
        recall=len(strong & true) / len(true) if true else None,
        bins=tuple(
            ReliabilityBin(
                item.score, item.observed, *wilson(item.observed, item.pairs), item.pairs
            )
            for item in (reliability(said, linked) if said else [])
        ),
        unknown_videos=len(labels.truth) - len(judged),
        fitted_on=fitted_on,
        seen=fitted_on.startswith(labels.name),
    )


def _sample(
    snapshot: ReleaseSnapshot,
    keys: Sequence[str],
    strong: "np.ndarray[tuple[int], np.dtype[np.bool_]]",
    most: int,
) -> tuple[SampledLink, ...]:
    """Strong and weak links at random, the same for the same release, by falling score."""
    rng = np.random.default_rng(snapshot.release.sequence)
    picked: list[str] = []
    for kind in (strong, ~strong):
        places = np.flatnonzero(kind)
        drawn = rng.choice(places, min(len(places), most // 2), replace=False)
        picked += [keys[place] for place in drawn]
    if not picked:
        return ()
    rows = snapshot.scan("links", None, among("link_key", picked))
    titles = product_titles(snapshot)
    names = zip(rows["link_key"].to_pylist(), rows["video_id"].to_pylist(), strict=True)
    found = [
        _sampled(snapshot, key, video_id, link, titles)
        for (key, video_id), link in zip(names, links_from(rows), strict=True)
    ]
    return tuple(sorted(found, key=lambda item: (-item.score, item.link_key)))


def _sampled(
    snapshot: ReleaseSnapshot, key: str, video_id: str, link: ProductLink, titles: Mapping[str, str]
) -> SampledLink:
    start_ms, end_ms, at_ms = _moment(link)
    words = dict.fromkeys(describe(piece) for piece in link.evidence)
    return SampledLink(
        link_key=key,
        video_id=video_id,
        sku=link.sku,
        title=titles.get(product_key(snapshot.release.shop_id, link.sku), ""),
        score=link.score,
        strong=link.score >= snapshot.link_above,
        modalities=tuple((modality.value, score) for modality, score in link.scores if score),
        start_ms=start_ms,
        end_ms=end_ms,
        at_ms=at_ms,
        words=tuple(words)[:_MOST_WORDS],
    )


def _moment(link: ProductLink) -> tuple[int, int, int]:
    """Where the strongest evidence is that has a place: its span, and the time to look at."""
    for piece in sorted(link.evidence, key=lambda piece: -piece.score):
        if piece.span is not None:
            start, end = piece.span.start_ms, piece.span.end_ms
            return start, end, piece.at_ms if piece.at_ms is not None else (start + end) // 2
    return 0, 0, 0
