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

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.visual_stats import VisualStats, WhitenedSpace

# A shop's first videos say little about its frames; catalog pictures stand in for this many.
_PRIOR_SEGMENTS = 50
# Noise is the similarity that one in 33 wrong pairs reaches; before enough pairs are known, it is
# what the example shop shows.
_NOISE_QUANTILE = 0.97
_PRIOR_NOISE = 0.18
_PRIOR_NOISE_PAIRS = 300
# Directions beyond these vary too little for a few hundred pairs to tell them from chance.
_DIRECTIONS = 64
# Share of the mean variance within a group that every direction is taken to have at least.
_FLOOR = 0.1
_NO_DIFFERENCE = 1e-9
_MOST_PICTURES = 8192


def fit_visual_stats(
    frames: Vectors, shots: npt.NDArray[np.intp], catalog: CatalogIndex, *, segments: int
) -> VisualStats:
    """Fit to a sample of the shop's frame vectors `(n, dim)` and to its product pictures.

    `shots`, `(n,)`, numbers the shot of each frame vector: those of one shot show the same thing.
    """
    pictures = catalog.image_vectors
    picture_mean = pictures.mean(axis=0)
    total = frames.sum(axis=0) + _PRIOR_SEGMENTS * picture_mean
    frame_mean = total / (len(frames) + _PRIOR_SEGMENTS)
    chosen = catalog.image_owner % -(-len(pictures) // _MOST_PICTURES) == 0
    differences = np.concatenate(
        [
            _differences(pictures[chosen], catalog.image_owner[chosen]),
            _differences(frames, shots),
        ]
    )
    nuisance, shrinkage = _within(differences)
    fitted = VisualStats(
        frame_mean, picture_mean, nuisance, shrinkage, _PRIOR_NOISE, segments, len(pictures)
    )
    return replace(fitted, noise_floor=_noise(frames, catalog, WhitenedSpace(fitted)))


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


def _noise(frames: Vectors, catalog: CatalogIndex, space: WhitenedSpace) -> float:
    similarity = space.of_frames(frames) @ space.of_pictures(catalog.image_vectors).T
    ranked = np.sort(best_by_product(similarity, catalog), axis=1)
    # The best product of each frame may well be in it; the others almost never are.
    others = ranked[:, :-1]
    if not others.size:
        return _PRIOR_NOISE
    weight = others.size / (others.size + _PRIOR_NOISE_PAIRS)
    return weight * float(np.quantile(others, _NOISE_QUANTILE)) + (1.0 - weight) * _PRIOR_NOISE


def best_by_product(similarity: Vectors, catalog: CatalogIndex) -> Vectors:
    """`(n, pictures)` to `(n, products with a picture)`, each product's best picture counting."""
    # Pictures stand in product order, so each product's are one run.
    _, starts = np.unique(catalog.image_owner, return_index=True)
    return np.asarray(np.maximum.reduceat(similarity, starts, axis=1), np.float32)
