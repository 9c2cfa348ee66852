"""Candidates by index: few of a large catalog's groups for each frame, sentence and utterance.

Pictures and texts are searched for by FAISS: in fewer dimensions, in the nearest of some cells
(Sivic and Zisserman, "Video Google", 2003). The cells are the shop's, like its other statistics: so
what is found of a product is the same whatever else the catalog has. Names are found by the n-grams
of sounds that they have in common with what is heard. What is found is compared exactly afterwards,
by the matchers.
"""

import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.linking.candidates import AllGroups, CandidateSource, Comparable
from reelshelf.indexer.linking.sounds import Sounds
from reelshelf.indexer.text.lookup import Numbers, Rows, numbered
from reelshelf.schemas.media import Vectors

if TYPE_CHECKING:
    import faiss

# A catalog of no more groups is compared as a whole: by sound, which is dear, and otherwise.
NAMES_UP_TO, FLAT_UP_TO = 512, 4096
# Pictures and texts that are found for each vector that is asked, and names for each utterance. A
# group has a picture for each variant, and few texts.
_PICTURES, _TEXTS, _NAMES = 96, 64, 128
_DIRECTIONS = 128
# Cells: twice the square root of the vectors, so many of which are looked into. FAISS wants so many
# vectors for each to train on.
_CELLS, _LOOKED_INTO = 2.0, 24
_PER_CELL = 39
_AT_ONCE = 16_384
# Of the texts of a group's variants, those that are less like the first one's than this.
_ELSE = 0.9
_MOST_TEXTS = 4
# The length of the n-grams of sounds that are looked up, by how many sounds a name has at most.
_GRAMS = ((3, 0), (5, 2), (9, 3))
_LONGEST_GRAM = 4


def candidates_for(comparable: Comparable) -> CandidateSource:
    """The source for a catalog: an index, where comparing all of it would take longer."""
    count = len(comparable.catalog.groups)
    if count <= NAMES_UP_TO:
        return AllGroups(count)
    return HeardGroups(comparable) if count <= FLAT_UP_TO else IndexedGroups(comparable)


def candidates_among(comparable: Comparable) -> CandidateSource:
    """The source for a few products of a large catalog: names those that one for all would name."""
    if comparable.text_cells is None:
        return HeardGroups(comparable)
    return IndexedGroups(comparable)


def trained_cells(count: int, sample: Callable[[int], Vectors]) -> bytes:
    """Cells for so many vectors of unit length, of which `sample` gives so many as it is asked for.

    They are a FAISS index that is trained and holds no vector.
    """
    import faiss

    cells = max(1, min(round(_CELLS * math.sqrt(count)), count // _PER_CELL))
    vectors = np.ascontiguousarray(
        sample(min(count, max(_PER_CELL * cells, 4 * _DIRECTIONS))), np.float32
    )
    dim = vectors.shape[1]
    cells = max(1, min(cells, len(vectors) // _PER_CELL))
    reduced = f"PCA{_DIRECTIONS}," if dim > _DIRECTIONS and len(vectors) > _DIRECTIONS else ""
    index = faiss.index_factory(dim, f"{reduced}IVF{cells},SQ8")
    index.train(vectors)
    return bytes(faiss.serialize_index(index))


class HeardGroups(AllGroups):
    """Names every group but by sound."""

    def __init__(self, comparable: Comparable) -> None:
        super().__init__(len(comparable.catalog.groups))
        self._names = SoundIndex(comparable.sounds)

    def sounding(self, heard: str) -> Numbers:
        """Groups whose name has most sounds in common with what was heard, given as its sounds."""
        return self._names.near(heard)


class IndexedGroups:
    """Names the groups whose pictures, texts and names are nearest."""

    def __init__(self, comparable: Comparable) -> None:
        pictures = comparable.pictures
        self._pictures = None
        if pictures is not None:
            places = _distinct(pictures.vectors, pictures.groups)
            self._pictures = NearestGroups(
                pictures.vectors,
                places,
                pictures.groups[places],
                _PICTURES,
                comparable.picture_cells,
            )
        self._texts = _text_index(comparable)
        self._names = SoundIndex(comparable.sounds)

    def seen(self, frames: Vectors) -> Numbers:
        """Groups whose pictures are nearest to one of some frames `(n, image_dim)`, whitened."""
        return self._pictures.near(frames) if self._pictures else np.empty(0, np.intp)

    def meant(self, sentences: Vectors) -> Numbers:
        """Groups whose text is nearest to one of some sentences `(n, text_dim)`."""
        return self._texts.near(sentences)

    def sounding(self, heard: str) -> Numbers:
        """Groups whose name has most sounds in common with what was heard, given as its sounds."""
        return self._names.near(heard)


class NearestGroups:
    """An index of vectors, each of a group.

    `vectors` is `(n, dim)`, of unit length; `places`, `(m,)`, are those that are indexed, and
    `groups`, `(m,)`, are theirs. `most` are found for each that is asked. `cells` are trained on
    these where none are given.
    """

    def __init__(
        self,
        vectors: "Vectors | _Beside",
        places: Numbers,
        groups: Numbers,
        most: int,
        cells: bytes | None = None,
    ) -> None:
        import faiss

        if cells is None:
            rng = np.random.default_rng(0)

            def sample(most: int) -> Vectors:
                return _rows(vectors, places[np.sort(rng.choice(len(places), most, replace=False))])

            cells = trained_cells(len(places), sample)
        index = faiss.deserialize_index(np.frombuffer(cells, np.uint8))
        for start in range(0, len(places), _AT_ONCE):
            index.add(_rows(vectors, places[start : start + _AT_ONCE]))
        faiss.extract_index_ivf(index).nprobe = _LOOKED_INTO
        # As bytes, so that it is pickled, and shared, as any other array.
        self._bytes: npt.NDArray[np.uint8] = faiss.serialize_index(index)
        self._groups = groups.astype(np.int32)
        self._most = most

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_index"}

    @cached_property
    def _index(self) -> "faiss.Index":
        import faiss

        return faiss.deserialize_index(np.asarray(self._bytes))

    def near(self, vectors: Vectors) -> Numbers:
        """The groups of the vectors nearest to each of some, in order."""
        if not len(vectors):
            return np.empty(0, np.intp)
        _, found = self._index.search(np.ascontiguousarray(vectors, np.float32), self._most)
        return np.unique(self._groups[found[found >= 0]]).astype(np.intp)


class SoundIndex:
    """Names by the n-grams of sounds that they have."""

    def __init__(self, sounds: Sounds) -> None:
        self._grams, of_name = numbered(
            _grams_of(title, _gram_length(len(title))) for title in sounds.titles
        )
        self._with: Rows = of_name.inverted(len(self._grams))
        self._sizes = np.maximum(of_name.sizes(), 1).astype(np.float32)
        self._lengths = np.sqrt(sounds.lengths.astype(np.float32))
        self._gram_lengths = sorted({_gram_length(n) for n in set(sounds.lengths.tolist()) if n})

    def near(self, heard: str) -> Numbers:
        """The names that have most n-grams in common with what is heard, beyond chance."""
        known = self._grams.numbers
        own = {gram for size in self._gram_lengths for gram in _grams_of(heard, size)}
        rows = [known[gram] for gram in own if gram in known]
        names, counts = np.unique(self._with.together(np.array(rows, np.intp)), return_counts=True)
        if len(names) > _NAMES:
            # A longer name fits by chance less well: the same share says more of it.
            score = counts / self._sizes[names] * self._lengths[names]
            names = np.sort(names[np.argpartition(-score, _NAMES)[:_NAMES]])
        return names.astype(np.intp)


def _gram_length(sounds: int) -> int:
    """How long n-grams tell a name of some sounds from others; all of a short one."""
    for most, length in _GRAMS:
        if sounds <= most:
            return length or sounds
    return _LONGEST_GRAM


def _grams_of(text: str, size: int) -> list[str]:
    if not size:
        return []
    return list(dict.fromkeys(text[i : i + size] for i in range(len(text) - size + 1)))


def _text_index(comparable: Comparable) -> NearestGroups:
    """The texts and facts of each group: its first product's, and others that differ from these."""
    catalog = comparable.catalog
    groups, texts = catalog.groups, catalog.text_vectors
    first = groups.firsts
    rest = np.setdiff1d(np.arange(len(catalog)), first)
    like = np.empty(len(rest), np.float32)
    for start in range(0, len(rest), _AT_ONCE):
        part = rest[start : start + _AT_ONCE]
        own, others = (_rows(texts, at) for at in (part, first[groups.of[part]]))
        like[start : start + len(part)] = np.einsum("ij,ij->i", own, others)
    rest, like = rest[like < _ELSE], like[like < _ELSE]
    owners = groups.of[rest]
    order = np.lexsort((like, owners))
    ranks = np.arange(len(order)) - np.searchsorted(owners[order], owners[order])
    rest = rest[order][ranks < _MOST_TEXTS - 1]
    at = np.concatenate([first, rest])
    of = groups.of[at]
    count = len(catalog)
    beside = _Beside(texts, catalog.facts_vectors)
    return NearestGroups(
        beside,
        np.concatenate([at, at + count]),
        np.concatenate([of, of]),
        _TEXTS,
        comparable.text_cells,
    )


class _Beside:
    """Rows of one array, and those of another behind them, without copying either."""

    def __init__(self, first: Vectors, second: Vectors) -> None:
        self._both = (first, second)
        self.shape = (len(first) + len(second), first.shape[1])

    def __getitem__(self, places: Numbers) -> Vectors:
        out = np.empty((len(places), self.shape[1]), np.float32)
        second = places >= len(self._both[0])
        out[~second] = self._both[0][places[~second]]
        out[second] = self._both[1][places[second] - len(self._both[0])]
        return out


def _rows(vectors: "Vectors | _Beside", places: Numbers) -> Vectors:
    return np.ascontiguousarray(vectors[places], np.float32)


def _distinct(vectors: Vectors, groups: Numbers) -> Numbers:
    """Places of vectors without those that another one of the same group equals."""
    kept = np.ones(len(vectors), bool)
    of_group = Rows.of_pairs(groups, np.arange(len(groups)), int(groups.max(initial=-1)) + 1)
    for group in np.flatnonzero(of_group.sizes() > 1).tolist():
        seen: set[bytes] = set()
        for place in of_group[group].tolist():
            own = np.asarray(vectors[place]).tobytes()
            kept[place] = own not in seen
            seen.add(own)
    return np.flatnonzero(kept)
