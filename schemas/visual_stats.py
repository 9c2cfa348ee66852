"""Per-shop statistics that linking starts from, and the space in which pictures are compared."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from reelshelf.schemas.media import Vectors


@dataclass(frozen=True, slots=True)
class CatalogCounts:
    """How frequent in a catalog is what tells its products apart, as it was when this was counted.

    `groups` is how many there are; `names` counts the groups that have each word in their name,
    `printed` those on which each word stands, `prices` those that have a product of each price.
    What one group has, or none yet, is not in them. `languages` are the catalog's, `currency` what
    a number without one is in. `sketch` are the smallest of the digests of its products, which
    tell how much of it is still there (Broder, "On the Resemblance and Containment of Documents",
    1997).
    """

    groups: int
    names: Mapping[str, int]
    printed: Mapping[str, int]
    prices: Mapping[Decimal, int]
    languages: tuple[str, ...]
    currency: str | None
    sketch: tuple[str, ...]

    def as_json(self) -> str:
        """All of it, the same for the same counts."""
        return json.dumps(
            {
                "groups": self.groups,
                "names": dict(sorted(self.names.items())),
                "printed": dict(sorted(self.printed.items())),
                "prices": {str(price): count for price, count in sorted(self.prices.items())},
                "languages": self.languages,
                "currency": self.currency,
                "sketch": self.sketch,
            },
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str) -> "CatalogCounts":
        """What `as_json` wrote."""
        read = json.loads(text)
        return cls(
            read["groups"],
            read["names"],
            read["printed"],
            {Decimal(price): count for price, count in read["prices"].items()},
            tuple(read["languages"]),
            read["currency"],
            tuple(read["sketch"]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class VisualStats:
    """Per-shop statistics that the links of all its videos have in common.

    They move rarely, since every link moves with them: fitted at the first release, and again when
    the shop's videos or pictures have doubled, or much of its catalog is another.
    `frame_mean` and `picture_mean`, `(dim,)`, center frame vectors and product pictures.
    `nuisance`, `(k, dim)`, are orthonormal directions in which vectors of the same product differ,
    and `shrinkage`, `(k,)` in 0..1, is how much of each is kept. `noise_floor` is the cosine that a
    frame and a product it does not show reach now and then. `segments` and `pictures` are how many
    the shop had when this was measured. `cohort`, `(m, dim)`, are whitened frames of the shop that
    tell which products resemble everything; `picture_cohort`, `(k, dim)`, are whitened pictures of
    its products that tell which frames do. `term_shares` is the share of its videos that have each
    of its frequent words, `counts` is what its catalog had. They are None in statistics of before
    linking had them. `picture_cells` and `text_cells` divide the spaces of whitened pictures and of
    texts into cells, in which vectors are looked for: FAISS indexes that are trained and hold none.
    They are None for a catalog that is so small that all of it is compared.
    """

    frame_mean: Vectors
    picture_mean: Vectors
    nuisance: Vectors
    shrinkage: Vectors
    noise_floor: float
    segments: int
    pictures: int
    cohort: Vectors | None = None
    term_shares: Mapping[str, float] | None = None
    picture_cohort: Vectors | None = None
    counts: CatalogCounts | None = None
    picture_cells: bytes | None = None
    text_cells: bytes | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it has all that linking asks for."""
        parts = (self.cohort, self.term_shares, self.picture_cohort, self.counts)
        return all(part is not None for part in parts)

    @property
    def stats_id(self) -> str:
        """SHA-256 of what it holds."""
        digest = hashlib.sha256(repr((self.noise_floor, self.segments, self.pictures)).encode())
        for array in (self.frame_mean, self.picture_mean, self.nuisance, self.shrinkage):
            digest.update(np.ascontiguousarray(array).tobytes())
        for cohort in (self.cohort, self.picture_cohort):
            if cohort is not None:
                digest.update(np.ascontiguousarray(cohort).tobytes())
        if self.term_shares is not None:
            digest.update(repr(sorted(self.term_shares.items())).encode())
        if self.counts is not None:
            digest.update(self.counts.as_json().encode())
        for cells in filter(None, (self.picture_cells, self.text_cells)):
            digest.update(cells)
        return digest.hexdigest()


class WhitenedSpace:
    """Whitens vectors with a shop's statistics; cosines of the results are visual similarity."""

    def __init__(self, stats: VisualStats) -> None:
        self.noise_floor = stats.noise_floor
        self._frame_mean = stats.frame_mean
        self._picture_mean = stats.picture_mean
        self._nuisance = stats.nuisance
        self._change = stats.shrinkage - 1.0

    def of_frames(self, vectors: Vectors) -> Vectors:
        """Map frame vectors `(n, dim)` to unit vectors of the same shape."""
        return self._mapped(vectors - self._frame_mean)

    def of_pictures(self, vectors: Vectors) -> Vectors:
        """The same for product pictures."""
        return self._mapped(vectors - self._picture_mean)

    def of_queries(self, vectors: Vectors) -> Vectors:
        """The same for shoppers' pictures, which may be of either kind and take the middle."""
        return self._mapped(vectors - (self._frame_mean + self._picture_mean) / 2.0)

    def _mapped(self, centered: Vectors) -> Vectors:
        moved = centered + (centered @ self._nuisance.T * self._change) @ self._nuisance
        norms = np.linalg.norm(moved, axis=-1, keepdims=True)
        return np.asarray(moved / np.maximum(norms, 1e-6), np.float32)
