"""The links that are most worth a person's look.

A look is worth most where it may change most: the score is near even chance (uncertainty sampling:
Lewis and Gale, "A Sequential Algorithm for Training Text Classifiers", 1994), the merchant says
otherwise, the video is new, or many watch it.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

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
    new = _are_new(snapshot, links["video_id"])
    views = np.log1p(_views(links["video_id"], watched))
    views /= views.max(initial=0.0) or 1.0
    worth = unsure + _CONFLICT * conflict + _NEW * new + _WATCHED * views
    kept = np.flatnonzero(~judged & ((unsure > _SURE) | conflict))
    order = kept[np.argsort(-worth[kept], kind="stable")][:_MOST]
    first = links.select(["video_id", "sku"]).take(order).to_pydict()
    return [
        _Row(video, sku, _why(float(scores[place]), bool(conflict[place]), bool(new[place])))
        for place, video, sku in zip(order.tolist(), *first.values(), strict=True)
    ]


def _are_new(snapshot: ReleaseSnapshot, of: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Which of the videos of links came last. Of a first run all are as new as each other."""
    videos = snapshot.scan("videos", ["video_id", "first_seen_at"])
    times = videos["first_seen_at"]
    if pc.count_distinct(times).as_py() < 2:
        return np.zeros(len(of), bool)
    came = times.take(pc.index_in(of, value_set=videos["video_id"]))
    return np.asarray(pc.equal(came, pc.max(times)).fill_null(False).to_numpy())


def _views(of: pa.ChunkedArray, watched: Counter[str]) -> npt.NDArray[np.float64]:
    """How often the videos of links were watched."""
    places = pc.index_in(of, value_set=pa.array(list(watched), of.type)).fill_null(-1).to_numpy()
    # The last is what nobody watched.
    return np.asarray(np.array([*watched.values(), 0], np.float64)[places])


def _why(score: float, conflict: bool, new: bool) -> str:
    reasons = [f"its score is {score:.2f}"]
    if conflict:
        reasons.append("the merchant declares it")
    if new:
        reasons.append("the video is new")
    return ", ".join(reasons)
