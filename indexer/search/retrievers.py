"""Retrievers: the ways from a query to videos, by name.

Each finds moments of videos that filters let in, and gives them a score in 0..1. A filter comes
first: what it leaves out takes no place among what is found, whose depth counts videos. In the
offline profile words and frames share no space, so words reach pictures through the catalog: words
to product text, product to the videos linked to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.links import SearchedLinks
from reelshelf.indexer.search.moments import Hits, Moments, within_depth
from reelshelf.indexer.search.query import Query
from reelshelf.indexer.search.relevance import Relevance
from reelshelf.indexer.search.videos import Places, Videos
from reelshelf.indexer.text import TERM_LENGTH, Analyzer
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.visual_stats import WhitenedSpace

# How fast a moment that has only a part of the query's words falls behind one that has them all.
_PARTIAL = 4.0
# Below this a link says nothing about what was asked for.
_LEAST = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What retrievers are asked. Parts that a question does not have are None.

    `query` is an analyzed text and `text` its sentence vector, `frame` a vector in the space of
    frames: of a picture, or of a text in a joint space, and `is_picture` tells which. `relevance`
    is how far products are asked for.
    """

    query: Query | None
    text: Vectors | None
    frame: Vectors | None
    relevance: Relevance
    is_picture: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """m moments of videos. `videos` are their places, `scores` in 0..1, times milliseconds.

    `links` are the places of the links that led to them, -1 where none did.
    """

    videos: Places
    scores: npt.NDArray[np.float64]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    texts: Sequence[str]
    links: Places

    @classmethod
    def of_hits(cls, hits: Hits, scores: npt.NDArray[np.float64]) -> "Candidates":
        """Moments that were found among the segments, with their scores."""
        none = np.full(len(scores), -1, np.intp)
        return cls(hits.videos, scores, hits.starts, hits.ends, hits.texts, none)

    def __len__(self) -> int:
        return len(self.videos)


class Retriever(Protocol):
    """One way from a question to videos."""

    def find(self, question: Question, admitted: Videos | None, depth: int) -> Candidates | None:
        """Moments of up to `depth` videos; None where it has no part in such a question.

        `admitted`, `(videos,)`, are the videos that filters let in; None where all are.
        """
        ...


@dataclass(frozen=True, slots=True)
class ByProducts:
    """Videos linked to products that are asked for: relevance times the link's probability."""

    links: SearchedLinks

    def find(self, question: Question, admitted: Videos | None, depth: int) -> Candidates:
        """Moments of the likeliest links."""
        links = self.links
        # The root keeps doubtful links of what is asked for ahead of sure links of something else.
        asked_for = question.relevance.values > _LEAST
        rows, sizes = links.of_product.places(question.relevance.places[asked_for])
        places = links.of_product.values[rows].astype(np.intp)
        asked = np.repeat(question.relevance.values[asked_for], sizes) * links.roots[places]
        scores = asked.astype(np.float64)
        kept = scores > _LEAST
        if admitted is not None:
            kept &= admitted[links.videos[places]]
        places, scores = places[kept], scores[kept]
        # Of equals the first in the table.
        order = np.lexsort((places, -scores))
        order = order[within_depth(links.videos[places[order]], depth)]
        places, scores = places[order], scores[order]
        return Candidates(
            links.videos[places],
            scores,
            links.starts[places],
            links.ends[places],
            [""] * len(places),
            places,
        )


@dataclass(frozen=True, slots=True)
class ByWords:
    """Full text over what is written and said: candidates by BM25, scored by coverage.

    `weight` says how much a word narrows down what is asked for.
    """

    moments: Moments
    analyzer: Analyzer
    weight: Callable[[str], float]

    def find(self, question: Question, admitted: Videos | None, depth: int) -> Candidates | None:
        """Moments for the words as typed and as corrected: a transcript may have either."""
        if question.query is None:
            return None
        texts = [question.query.text]
        # Full text ignores case: what differs in nothing else is asked once.
        if question.query.corrected.casefold() != texts[0].casefold():
            texts.append(question.query.corrected)
        found = (self.worded(text, admitted, depth) for text in texts)
        there = [one for one in found if one is not None]
        return joined(there) if there else None

    def has(self, word: str) -> bool:
        """Whether any moment has a word, said or written."""
        return self.moments.has(list(self._forms(word)), word)

    def worded(self, text: str, admitted: Videos | None, depth: int) -> Candidates | None:
        """Moments that have words of a text; None where it has none."""
        asked = list(dict.fromkeys(self.analyzer.words(text)))
        if not asked:
            return None
        forms = {word: self._forms(word) for word in asked}
        words = list(dict.fromkeys(form for own in forms.values() for form in own))
        hits = self.moments.matching(words, text, admitted, depth)
        best = float(hits.scores.max(initial=0.0)) or 1.0
        weights = {word: self.weight(word) for word in asked}
        total = sum(weights.values()) or 1.0
        shares = np.array(
            [
                sum(weights[word] for word in asked if not forms[word].isdisjoint(stored)) / total
                for stored in (terms.split() for terms in hits.terms)
            ]
        )
        # The score is a power of the share: one word of eight in common is no match, however rare
        # it is. BM25 orders what covers the query equally well.
        return Candidates.of_hits(hits, shares**_PARTIAL * (0.9 + 0.1 * hits.scores / best))

    def _forms(self, word: str) -> frozenset[str]:
        # Old indexes have words as they were written, and no other form of them.
        if self.analyzer.kind != "icu":
            return frozenset([word])
        return frozenset(form[:TERM_LENGTH] for form in self.analyzer.forms(word))


@dataclass(frozen=True, slots=True)
class ByMeaning:
    """The vectors of what moments say; `scale` brings their cosines to those of MiniLM."""

    moments: Moments
    scale: float

    def find(self, question: Question, admitted: Videos | None, depth: int) -> Candidates | None:
        """Moments whose text says what the question says."""
        if question.text is None:
            return None
        hits = self.moments.nearest("text_vector", question.text, admitted, depth, whole=False)
        return Candidates.of_hits(hits, np.maximum(hits.scores, 0.0) / self.scale)


@dataclass(frozen=True, slots=True)
class ByFrames:
    """Frame vectors. Pictures are compared in the whitened space, where the release has one."""

    moments: Moments
    space: WhitenedSpace | None

    def find(self, question: Question, admitted: Videos | None, depth: int) -> Candidates | None:
        """Moments that look like what is asked for."""
        if question.frame is None:
            return None
        whole = question.is_picture and self.space is not None
        hits = self.moments.nearest("frame_vector", question.frame, admitted, depth, whole=whole)
        scores = hits.scores
        if self.space is not None and hits.vectors is not None and len(hits):
            frames = self.space.of_frames(hits.vectors)
            scores = (frames @ self.space.of_queries(question.frame)).astype(np.float64)
        return Candidates.of_hits(hits, np.maximum(scores, 0.0))


def joined(found: Sequence[Candidates]) -> Candidates:
    """What several found, one after the other."""
    every = (_NOTHING, *found)
    return Candidates(
        np.concatenate([one.videos for one in every]),
        np.concatenate([one.scores for one in every]),
        np.concatenate([one.starts for one in every]),
        np.concatenate([one.ends for one in every]),
        [text for one in every for text in one.texts],
        np.concatenate([one.links for one in every]),
    )


_NO_PLACES, _NO_TIMES = np.zeros(0, np.intp), np.zeros(0, np.int64)
_NOTHING = Candidates(_NO_PLACES, np.zeros(0), _NO_TIMES, _NO_TIMES, (), _NO_PLACES)
