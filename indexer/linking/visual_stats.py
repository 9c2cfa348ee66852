"""The space in which frames and product pictures are compared, fitted to a shop without labels.

An absolute cosine does not carry over between shops: all frames of one shop resemble each other, as
do all studio pictures of one catalog. So frames and pictures are centered, each on their own mean.

Nor are all differences equal. Light, distance, crop and wall differ between two pictures of one
product; what kind of thing it is does not. The shop itself shows which is which: a product has
several pictures, and a shot has several moments. Directions in which these differ among themselves
are shrunk, as within-class covariance normalization does for voices (Hatch, Kajarekar and Stolcke,
"Within-Class Covariance Normalization for SVM-based Speaker Recognition", 2006), so that what is
left of a difference tells products apart.

Similarity is then measured from the shop's own noise floor upwards: how much frames resemble
products that they do not show, as score normalization does with a cohort of impostors
(Auckenthaler et al., "Score Normalization for Text-Independent Speaker Verification Systems",
2000).
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.text.analyzer import Analyzer
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.lookup import Numbers, Texts
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.visual_stats import CatalogCounts, VisualStats, WhitenedSpace

# A shop's first videos say little about its frames; catalog pictures stand in for this many.
_PRIOR_SEGMENTS = 50
# Noise is the similarity that one in 33 wrong pairs reaches; before enough pairs are known, it is
# what the example shop shows.
_NOISE_QUANTILE = 0.97
_PRIOR_NOISE = 0.18
_PRIOR_NOISE_PAIRS = 300
_GROUPS_AT_ONCE, _PICTURES_AT_ONCE = 4096, 8192
# Directions beyond these vary too little for a few hundred pairs to tell them from chance.
_DIRECTIONS = 64
# Share of the mean variance within a group that every direction is taken to have at least.
_FLOOR = 0.1
# Words that fewer videos have, by count and by share, are rare.
_FEW_VIDEOS, _RARE = 3, 0.02
_NO_DIFFERENCE = 1e-9
PlaceFor: TypeAlias = Callable[[tuple[int, ...]], Vectors]
_MOST_PICTURES = 8192
# Frames, and groups, that are kept to tell what resembles everything; how many neighbors tell it,
# and how many more tell how many there are beyond them.
_COHORT, _NEIGHBORS, _BEYOND = 512, 10, 40
# By how much the logarithms of ranks up to both of these differ in the mean.
_BETWEEN = float(
    np.log(np.arange(1, _BEYOND + 1)).mean() - np.log(np.arange(1, _NEIGHBORS + 1)).mean()
)


def fit_visual_stats(
    frames: Vectors,
    shots: npt.NDArray[np.intp],
    catalog: CatalogIndex,
    *,
    segments: int,
    pictures: int | None = None,
    term_shares: Mapping[str, float] | None = None,
    counts: CatalogCounts | None = None,
) -> VisualStats:
    """Fit to a sample of the shop's frame vectors `(n, dim)`, and of its products with pictures.

    `segments` and `pictures` are how many the shop has in all; None: the products are all it has.
    `shots`, `(n,)`, numbers the shot of each frame vector: those of one shot show the same thing.
    `term_shares` is what `term_shares_of` says of the same sample, `counts` is of the catalog.
    """
    seen, owners = catalog.vectors.image, catalog.vectors.image_owner
    picture_mean = seen.mean(axis=0)
    total = frames.sum(axis=0) + _PRIOR_SEGMENTS * picture_mean
    frame_mean = total / (len(frames) + _PRIOR_SEGMENTS)
    chosen = owners % -(-len(seen) // _MOST_PICTURES) == 0
    differences = np.concatenate(
        [
            _differences(seen[chosen], owners[chosen]),
            _differences(frames, shots),
        ]
    )
    nuisance, shrinkage = _within(differences)
    fitted = VisualStats(
        frame_mean, picture_mean, nuisance, shrinkage, _PRIOR_NOISE, segments, pictures or len(seen)
    )
    space = WhitenedSpace(fitted)
    kept = np.linspace(0, len(frames) - 1, min(_COHORT, len(frames))).astype(np.intp)
    return replace(
        fitted,
        noise_floor=_noise(frames, catalog, fitted),
        cohort=space.of_frames(frames[kept]),
        term_shares=term_shares,
        picture_cohort=_picture_cohort(catalog, space),
        counts=counts,
    )


def term_shares_of(texts: Iterable[str], analyzer: Analyzer) -> dict[str, float]:
    """The share of some videos, each given as all of its text, that have each frequent word."""
    found: Counter[str] = Counter()
    videos = 0
    for videos, text in enumerate(texts, start=1):  # noqa: B007 - counted
        found.update({f for w in analyzer.words(text) for f in (w, *analyzer.stems(w))})
    least = max(_FEW_VIDEOS, _RARE * videos)
    return {word: count / videos for word, count in sorted(found.items()) if count >= least}


def _differences(vectors: Vectors, groups: npt.NDArray[np.intp]) -> Vectors:
    """Each vector less the mean of its group; groups of one say nothing."""
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    means = np.zeros((len(sizes), vectors.shape[1]), np.float32)
    np.add.at(means, group, vectors)
    means /= sizes[:, None]
    return np.asarray((vectors - means[group])[sizes[group] > 1], np.float32)


def _within(differences: Vectors) -> tuple[Vectors, Vectors]:
    """Directions `(k, dim)` that differences `(n, dim)` take most; the share kept of each."""
    count, dim = differences.shape
    if not count:
        return np.empty((0, dim), np.float32), np.empty(0, np.float32)
    variance, directions = np.linalg.eigh(differences.T @ differences / count)
    floor = _FLOOR * float(variance.sum()) / min(count, dim)
    if floor < _NO_DIFFERENCE:
        return np.empty((0, dim), np.float32), np.empty(0, np.float32)
    variance, directions = variance[-_DIRECTIONS:], directions[:, -_DIRECTIONS:]
    shrinkage = np.sqrt(floor / np.maximum(variance + floor, 1e-12))
    return directions.T.astype(np.float32), shrinkage.astype(np.float32)


def _picture_cohort(catalog: CatalogIndex, space: WhitenedSpace) -> Vectors:
    """A picture each of groups of a catalog that are spread over it, whitened."""
    pictures = catalog.vectors
    _, first = np.unique(catalog.groups.of[pictures.image_owner], return_index=True)
    kept = first[np.linspace(0, len(first) - 1, min(_COHORT, len(first))).astype(np.intp)]
    return space.of_pictures(np.asarray(pictures.image[kept], np.float32))


def _noise(frames: Vectors, catalog: CatalogIndex, stats: VisualStats) -> float:
    pictures = GroupPictures(catalog, stats)
    there = np.flatnonzero(pictures.has(np.arange(len(catalog.groups))))
    cosines, starts = pictures.cosines(pictures.space.of_frames(frames), there)
    ranked = np.sort(np.maximum.reduceat(cosines, starts, axis=1), axis=1)
    # The best product of each frame may well be in it; the others almost never are.
    others = ranked[:, :-1]
    if not others.size:
        return _PRIOR_NOISE
    weight = others.size / (others.size + _PRIOR_NOISE_PAIRS)
    return weight * float(np.quantile(others, _NOISE_QUANTILE)) + (1.0 - weight) * _PRIOR_NOISE


def in_memory(shape: tuple[int, ...]) -> Vectors:
    """An array for vectors, to be filled."""
    return np.empty(shape, np.float32)


class GroupPictures:
    """The pictures of a catalog's groups in the whitened space of statistics, group after group.

    `reach`, `(groups,)`, is what each group reaches with those frames of the statistics that are
    most like it, 0 without any and without a picture. `place_for` makes the array that holds them
    all, where that is not memory.
    """

    def __init__(
        self, catalog: CatalogIndex, stats: VisualStats, place_for: PlaceFor = in_memory
    ) -> None:
        self.space = space = WhitenedSpace(stats)
        pictures = catalog.vectors
        group = catalog.groups.of[pictures.image_owner]
        order = np.argsort(group, kind="stable")
        self.vectors = place_for(pictures.image.shape)
        for start in range(0, len(order), _PICTURES_AT_ONCE):
            part = order[start : start + _PICTURES_AT_ONCE]
            own = np.asarray(pictures.image[part], np.float32)
            self.vectors[start : start + len(part)] = space.of_pictures(own)
        self._uris = Texts.of(pictures.image_uris[place] for place in order.tolist())
        self._owners = pictures.image_owner[order]
        self._counts = np.bincount(group, minlength=len(catalog.groups))
        self._first = (np.cumsum(self._counts) - self._counts).astype(np.intp)
        self.reach = self._reached(stats.cohort)
        # Statistics of before they had these are compared with what is at hand.
        others = stats.picture_cohort
        self._others = _picture_cohort(catalog, space) if others is None else others
        self._size = catalog.size

    @property
    def groups(self) -> Numbers:
        """`(pictures,)` the group of each picture."""
        return np.repeat(np.arange(len(self._counts)), self._counts)

    def has(self, numbers: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
        """Which of some groups have a picture."""
        return np.asarray(self._counts[numbers] > 0)

    def cosines(
        self, frames: Vectors, numbers: npt.NDArray[np.intp]
    ) -> tuple[Vectors, npt.NDArray[np.intp]]:
        """`(n, pictures)` of the pictures of some groups that have any; where each group begins."""
        counts = self._counts[numbers]
        starts = (np.cumsum(counts) - counts).astype(np.intp)
        if len(self.vectors) == counts.sum():
            return frames @ np.asarray(self.vectors, np.float32).T, starts
        places = np.repeat(self._first[numbers] - starts, counts) + np.arange(counts.sum())
        return frames @ np.asarray(self.vectors[places], np.float32).T, starts

    def _reached(self, cohort: Vectors | None) -> Vectors:
        found = np.zeros(len(self._counts), np.float32)
        if cohort is None or not len(cohort) or not len(self.vectors):
            return found
        there = np.flatnonzero(self._counts)
        # A part of the catalog at a time: all frames with all of it would not fit into memory.
        for start in range(0, len(there), _GROUPS_AT_ONCE):
            part = there[start : start + _GROUPS_AT_ONCE]
            cosines, starts = self.cosines(cohort, part)
            found[part] = nearest_mean(np.maximum.reduceat(cosines, starts, axis=1), axis=0)
        return found

    def reach_of(self, frames: Vectors) -> Vectors:
        """`(n,)` what whitened frames `(n, dim)` reach with the groups that are most like them.

        Of a large catalog only some are asked, the same ones for as long as the statistics stay.
        Similarities beyond a high one fall off exponentially (Pickands, "Statistical Inference
        Using Extreme Order Statistics", 1975), so that those of all follow from those of some.
        """
        cosines = frames @ self._others.T
        reached = nearest_mean(cosines, axis=1)
        more = math.log(max(self._size / max(len(self._others), 1), 1.0))
        if not more or len(self._others) < 2 * _BEYOND:
            return reached
        further = nearest_mean(cosines, axis=1, neighbors=_BEYOND)
        return np.asarray(reached + more * (reached - further) / _BETWEEN, np.float32)

    def uri(self, group: int, place: int) -> str:
        """The name of a picture of a group."""
        return self._uris[int(self._first[group]) + place]

    def variants(self, group: int, cosines: Vectors, ahead: float) -> tuple[int, ...]:
        """The products whose pictures are as like as the likest; none where all are."""
        first, count = int(self._first[group]), int(self._counts[group])
        owners = self._owners[first : first + count]
        near = np.unique(owners[cosines >= cosines.max() - ahead])
        return tuple(near.tolist()) if len(near) < len(np.unique(owners)) else ()


def nearest_mean(similarity: Vectors, *, axis: int, neighbors: int = _NEIGHBORS) -> Vectors:
    """The mean of the `neighbors` largest values along an axis, or of half of them if fewer."""
    count = similarity.shape[axis]
    nearest = max(1, min(neighbors, count // 2))
    largest = -np.partition(-similarity, nearest - 1, axis=axis).take(range(nearest), axis=axis)
    return np.asarray(largest.mean(axis=axis), np.float32)
