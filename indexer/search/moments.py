"""The moments of a release, searched by words and by vectors inside of a filter.

Those of a release of up to a million and a half are arrays; of up to five million, all but their
vectors, which are searched through the indexes of the release. More are searched by these alone
(`segments`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from reelshelf.indexer.search.cells import NewVectors, VectorCells
from reelshelf.indexer.search.indexed_vectors import IndexedVectors, RowIds
from reelshelf.indexer.search.videos import Places, SearchedVideos, Videos
from reelshelf.indexer.search.words import scored
from reelshelf.indexer.store.catalog_files import new_mapped
from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.text import Numbers, Strings, Texts, analyzer_of, numbered
from reelshelf.schemas.media import Vectors

VECTORS = ("text_vector", "frame_vector")
# So many moments are arrays, and so many of them with their vectors.
_MOST, _MOST_IN_CELLS = 5_000_000, 1_500_000
_K1, _B = 1.2, 0.75
# What more moments have leads to none of them, beside a word that tells more.
_FREQUENT = 50_000
# How many moments are looked through to find one video, at first.
_MOMENTS_OF_A_VIDEO = 8
# How many near ones are looked for to find one, and how much more where that is not enough.
_AT_FIRST = 2
_MORE = 4
SHOWN = ["video_key", "start_ms", "end_ms", "text"]


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """m moments, best first. `scores` are cosines, or BM25.

    `terms` are the words of each as full text has them, parted by spaces, where words were looked
    for; `vectors`, `(m, dim)`, those that were asked for.
    """

    videos: Places
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    texts: Sequence[str]
    scores: npt.NDArray[np.float64]
    terms: Sequence[str] = ()
    vectors: Vectors | None = None

    def __len__(self) -> int:
        return len(self.videos)


class Moments(Protocol):
    """What finds moments."""

    def has(self, words: Sequence[str], text: str) -> bool:
        """Whether any moment has any of some words, which are the forms of one: `text`."""
        ...

    def matching(
        self, words: Sequence[str], text: str, admitted: Videos | None, depth: int
    ) -> Hits:
        """Moments of up to `depth` videos that have any of some words, each in all its forms.

        `text` are the words as they were typed. `admitted`, `(videos,)`, are inside of a filter.
        """
        ...

    def nearest(
        self, column: str, vector: Vectors, admitted: Videos | None, depth: int, *, whole: bool
    ) -> Hits:
        """Moments of up to `depth` videos by the cosine of a vector column; `whole`: with these."""
        ...


class MomentVectors(Protocol):
    """The vectors of moments, by their places."""

    def near(
        self,
        vector: Vectors,
        inside: npt.NDArray[np.bool_] | None = None,
        *,
        least: int = ...,
    ) -> tuple[Numbers, Vectors]:
        """Moments near a vector and their cosines: `least` inside at least, if there are so many.

        What is not inside may be among them.
        """
        ...

    def of_places(self, places: Numbers) -> Vectors:
        """The vectors of some moments that have one."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class MomentArrays:
    """m moments. `videos` are the places of theirs, times milliseconds; vectors by their columns.

    `worth`, `owners` and `begins` are those of `words`, as `ProductWords` has them. `ids` are what
    the table knows them by.
    """

    videos: Places
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    texts: Texts
    terms: Texts
    words: Strings
    worth: npt.NDArray[np.float32]
    owners: npt.NDArray[np.int32]
    begins: npt.NDArray[np.int64]
    ids: RowIds
    vectors: Mapping[str, MomentVectors]

    @classmethod
    def fits(cls, snapshot: ReleaseSnapshot) -> bool:
        """Whether a release has few enough."""
        return snapshot.count("segments") <= _MOST

    @classmethod
    def read(
        cls, snapshot: ReleaseSnapshot, videos: SearchedVideos, folder: Path, new: NewVectors
    ) -> "MomentArrays":
        """Those of a release; `new` makes what vectors are written into.

        They pass through a file of `folder`. Those of very many moments stay where they are: see
        `with_indexes`.
        """
        has_terms = snapshot.config.text.analyzer == "icu"
        rows = snapshot.scan("segments", [*SHOWN, *(["terms"] if has_terms else [])])
        texts = _texts(rows["text"])
        if has_terms:
            terms = _texts(rows["terms"])
        else:
            analyzer = analyzer_of("simple")
            terms = Texts.of(" ".join(analyzer.words(text)) for text in texts)
        words, of_moments = numbered(own.split() for own in terms)
        parts = np.split(of_moments.values, of_moments.starts[1:-1]) if len(terms) else []
        known = snapshot.dataset("segments").to_table(columns=[], with_row_id=True)["_rowid"]
        few = len(terms) <= _MOST_IN_CELLS
        return cls(
            videos.places(rows["video_key"]),
            rows["start_ms"].to_numpy(),
            rows["end_ms"].to_numpy(),
            texts,
            terms,
            words,
            *scored(parts, len(words), k1=_K1, b=_B),
            RowIds.of(known.to_numpy()),
            {name: _cells(snapshot, name, folder, new) for name in VECTORS} if few else {},
        )

    def with_indexes(self, snapshot: ReleaseSnapshot, videos: SearchedVideos) -> "MomentArrays":
        """The same with vectors searched through their indexes, where none are at hand."""
        if self.vectors:
            return self
        table, index_of = snapshot.table("segments"), snapshot.release.index_of
        return replace(
            self,
            vectors={
                name: IndexedVectors(
                    table, name, index_of("segments", name), self.ids, self.videos, videos
                )
                for name in VECTORS
            },
        )

    def has(self, words: Sequence[str], text: str) -> bool:
        """As `Moments` says."""
        del text
        return any(word in self.words for word in words)

    def matching(
        self, words: Sequence[str], text: str, admitted: Videos | None, depth: int
    ) -> Hits:
        """As `Moments` says."""
        del text
        scores = np.zeros(len(self.videos), np.float32)
        known = [number for number in map(self.words.get, words) if number is not None]
        telling = [n for n in known if self.begins[n + 1] - self.begins[n] <= _FREQUENT]
        for number in telling or known:
            own = slice(self.begins[number], self.begins[number + 1])
            scores[self.owners[own]] += self.worth[own]
        there = np.flatnonzero(scores > 0)
        of = self.videos[there]
        there = there[of >= 0 if admitted is None else (of >= 0) & admitted[of]]
        best = self._best(there, scores[there], depth)
        places = there[best]
        return self._hits(places, scores[places], terms=self.terms.some(places))

    def nearest(
        self, column: str, vector: Vectors, admitted: Videos | None, depth: int, *, whole: bool
    ) -> Hits:
        """As `Moments` says."""
        own = self.vectors[column]
        inside = self._inside(admitted)
        least = _AT_FIRST * depth
        while True:
            looked, cosines = own.near(vector, inside, least=least)
            if inside is not None:
                kept = inside[looked]
                looked, cosines = looked[kept], cosines[kept]
            best = self._best(looked, cosines, depth)
            # One video may have all moments that are nearest.
            if len(np.unique(self.videos[looked[best]])) >= depth or len(looked) < least:
                break
            least = _MORE * len(looked)
        places = looked[best]
        return self._hits(places, cosines[best], vectors=own.of_places(places) if whole else None)

    def _inside(self, admitted: Videos | None) -> npt.NDArray[np.bool_] | None:
        """Which moments are of videos that are let in; None where all are."""
        if admitted is None:
            there = self.videos >= 0
            return None if there.all() else there
        return (self.videos >= 0) & admitted[self.videos]

    def _best(self, places: Places, scores: Vectors, depth: int) -> Numbers:
        """Which of some moments are the best ones of up to `depth` videos, best first."""
        many = depth * _MOMENTS_OF_A_VIDEO
        while True:
            own = np.arange(len(scores))
            if many < len(scores):
                own = np.argpartition(-scores, many)[:many]
            own = own[np.lexsort((places[own], -scores[own]))]
            kept = own[within_depth(self.videos[places[own]], depth)]
            if len(np.unique(self.videos[places[kept]])) >= depth or many >= len(scores):
                return kept
            many *= _MORE

    def _hits(
        self,
        places: Places,
        scores: Vectors,
        terms: Sequence[str] = (),
        vectors: Vectors | None = None,
    ) -> Hits:
        return Hits(
            self.videos[places],
            self.starts[places],
            self.ends[places],
            self.texts.some(places),
            scores.astype(np.float64),
            terms,
            vectors,
        )


def within_depth(videos: Places, depth: int) -> Places:
    """The places of the moments of the first `depth` videos, in order."""
    _, first, which = np.unique(videos, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.flatnonzero(rank[which] < depth)


def _texts(column: pa.ChunkedArray) -> Texts:
    return Texts(column.combine_chunks().cast(pa.large_string()).fill_null(""))


def _cells(snapshot: ReleaseSnapshot, name: str, folder: Path, new: NewVectors) -> VectorCells:
    """The vectors of the moments that have one; they are read in parts."""
    dataset = snapshot.dataset("segments")
    count = dataset.count_rows(f"{name} IS NOT NULL")
    dim = dataset.schema.field(name).type.list_size
    with TemporaryDirectory(dir=folder) as scratch:
        vectors = new_mapped(Path(scratch) / "vectors.npy", (count, dim), np.float32)
        places = np.empty(count, np.intp)
        seen = held = 0
        for batch in dataset.to_batches(columns=[name]):
            there = np.flatnonzero(batch[name].is_valid().to_numpy(zero_copy_only=False))
            own = slice(held, held + len(there))
            vectors[own] = vector_matrix(batch[name].drop_null())
            places[own] = seen + there
            seen, held = seen + batch.num_rows, own.stop
        return VectorCells.of(vectors, places, seen, new)
