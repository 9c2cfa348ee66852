"""The links that are most worth a person's look.

A look is worth most where it may change most: the score is near even chance (uncertainty sampling:
Lewis and Gale, "A Sequential Algorithm for Training Text Classifiers", 1994), the merchant says
otherwise, the video is new, or many watch it.
"""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from reelshelf.indexer.store import ReleaseSnapshot, links_from
from reelshelf.schemas.links import Modality
from reelshelf.searcher.details import Details
from reelshelf.searcher.messages import DoubtMessage, DoubtsMessage

# What is added to the uncertainty of a score, in 0..1.
_CONFLICT, _NEW, _WATCHED = 0.5, 0.1, 0.2
# Scores that are farther from even chance are sure, unless the merchant says otherwise.
_SURE = 0.02
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class _Row:
    """A link to be looked at."""

    video_id: str
    sku: str
    why: str


class DoubtfulLinks:
    """The links of a release in the order in which they are worth a look."""

    def __init__(self, snapshot: ReleaseSnapshot, details: Details, watched: Counter[str]) -> None:
        self._snapshot, self._details = snapshot, details
        self._rows = _ordered(snapshot, watched)

    def message(
        self, offset: int, count: int, decided: frozenset[tuple[str, str]]
    ) -> DoubtsMessage:
        """Some of those of which nobody has decided yet."""
        left = [row for row in self._rows if (row.video_id, row.sku) not in decided]
        told = [self._told(row) for row in left[offset : offset + count]]
        return DoubtsMessage(
            release=self._snapshot.release.release_id, links=tuple(told), total=len(left)
        )

    def _told(self, row: _Row) -> DoubtMessage:
        where = self._details.of_link(row.video_id, row.sku)
        (link,) = links_from(self._snapshot.scan("links", None, where))
        told = self._details.link(row.video_id, link, self._details.product_titles([row.sku]))
        at = [piece.at_ms for piece in link.evidence if piece.at_ms is not None]
        spans = [span.start_ms for span in link.spans]
        return DoubtMessage(
            **told.model_dump(),
            why=row.why,
            start_ms=min([*at, *spans], default=0),
            media=self._details.media_address(row.video_id),
            pictures=self._details.picture_addresses(row.sku),
        )


def _ordered(snapshot: ReleaseSnapshot, watched: Counter[str]) -> list[_Row]:
    columns = ["video_id", "sku", "score", "scores", "override"]
    links = snapshot.scan("links", columns)
    if not links.num_rows:
        return []
    scores = links["score"].to_numpy().astype(np.float64)
    cells = links["scores"].combine_chunks()
    declared = cells.field(Modality.MERCHANT.value).fill_null(0.0).to_numpy() > 0
    judged = links["override"].combine_chunks().field("verdict").is_valid().to_numpy(False)
    unsure = 1.0 - 2.0 * np.abs(scores - 0.5)
    conflict = declared & (scores < snapshot.link_above)
    videos = snapshot.scan("videos", ["video_id", "first_seen_at"])
    seen = dict(
        zip(videos["video_id"].to_pylist(), videos["first_seen_at"].to_pylist(), strict=True)
    )
    times = {at for at in seen.values() if at is not None}
    # Of a first run all are as new as each other.
    newest = max(times) if len(times) > 1 else None
    ids = links["video_id"].to_pylist()
    new = np.array([newest is not None and seen.get(one) == newest for one in ids])
    views = np.array([math.log1p(watched[one]) for one in ids])
    views /= views.max(initial=0.0) or 1.0
    worth = unsure + _CONFLICT * conflict + _NEW * new + _WATCHED * views
    kept = np.flatnonzero(~judged & ((unsure > _SURE) | conflict))
    order = kept[np.argsort(-worth[kept], kind="stable")][:_MOST]
    skus = links["sku"].take(order).to_pylist()
    return [
        _Row(ids[place], sku, _why(float(scores[place]), bool(conflict[place]), bool(new[place])))
        for place, sku in zip(order.tolist(), skus, strict=True)
    ]


def _why(score: float, conflict: bool, new: bool) -> str:
    reasons = [f"its score is {score:.2f}"]
    if conflict:
        reasons.append("the merchant declares it")
    if new:
        reasons.append("the video is new")
    return ", ".join(reasons)
