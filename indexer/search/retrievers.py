"""Retrievers: the ways from a query to videos. Each gives videos a score in 0..1 and a moment.

In the offline profile words and frames share no space, so words reach pictures through the
catalog: words to product text, product to the videos linked to it.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from lancedb.query import MatchQuery
from lancedb.table import Table

from reelshelf.indexer.search.links import SearchedLinks
from reelshelf.indexer.store.nearest import nearest
from reelshelf.indexer.store.rows import Cells
from reelshelf.indexer.text.analyzer import TERM_LENGTH, Analyzer
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import VectorIndex

# How fast a moment that has only a part of the query's words falls behind one that has them all.
_PARTIAL = 4.0
# Below this a link says nothing about what was asked for.
_LEAST = 0.01


@dataclass(frozen=True, slots=True)
class Found:
    """A video found by one retriever; `link` is the place of the link that led to it, if any."""

    video_key: str
    score: float
    start_ms: int
    end_ms: int
    text: str = ""
    link: int | None = None


def by_links(relevance: Vectors, links: SearchedLinks) -> list[Found]:
    """Videos linked to relevant products: relevance times the link's probability."""
    if not relevance.size:
        return []
    # The root keeps doubtful links of what is asked for ahead of sure links of something else.
    asked = np.where(links.products >= 0, relevance.astype(np.float64)[links.products], 0.0)
    scores = asked * np.sqrt(links.scores)
    return [
        Found(
            links.video_keys[place],
            float(scores[place]),
            int(links.starts[place]),
            int(links.ends[place]),
            link=place,
        )
        for place in np.flatnonzero(scores > _LEAST).tolist()
    ]


@dataclass(frozen=True, slots=True)
class FullText:
    """Full text over what is written and said: where its words are, and what cuts them.

    Stores of the icu analyzer index the terms that it makes of a moment's text, older ones the text
    itself.
    """

    table: Table
    analyzer: Analyzer

    def by_words(self, query: str, weight: Callable[[str], float], depth: int) -> list[Found]:
        """Moments by the words of a query: candidates by BM25, scored by coverage.

        The score is a power of the share of the query's words, weighed by `weight`, that the moment
        has: one word of eight in common is no match, however rare it is.
        """
        asked = list(dict.fromkeys(self.analyzer.words(query)))
        if not asked:
            return []
        columns = ["video_key", "start_ms", "end_ms", "text", "_score"]
        hits = self._matching(query, asked, columns, depth)
        best = max((hit["_score"] for hit in hits), default=1.0)
        total = sum(weight(word) for word in asked) or 1.0
        found = []
        for hit in hits:
            stored = self._stored(hit)
            share = sum(weight(word) for word in asked if stored & self._forms(word)) / total
            # BM25 orders what covers the query equally well.
            score = share**_PARTIAL * (0.9 + 0.1 * hit["_score"] / best)
            moment = hit["start_ms"], hit["end_ms"], hit["text"]
            found.append(Found(hit["video_key"], score, *moment))
        return found

    def has(self, word: str) -> bool:
        """Whether any moment has a word, said or written."""
        return bool(self._matching(word, [word], ["_score"], 1))

    @property
    def _has_terms(self) -> bool:
        return self.analyzer.kind == "icu"

    def _forms(self, word: str) -> frozenset[str]:
        # Old indexes have words as they were written, and no other form of them.
        if not self._has_terms:
            return frozenset([word])
        return frozenset(form[:TERM_LENGTH] for form in self.analyzer.forms(word))

    def _stored(self, hit: Cells) -> set[str]:
        if self._has_terms:
            return set((hit["terms"] or "").split())
        return set(self.analyzer.words(hit["text"]))

    def _matching(
        self, text: str, asked: Sequence[str], columns: Sequence[str], depth: int
    ) -> list[Cells]:
        """Moments that have any of the words, by BM25. The text is words and never syntax."""
        if self._has_terms:
            forms = dict.fromkeys(form for word in asked for form in self._forms(word))
            query, columns = MatchQuery(" ".join(forms), "terms"), [*columns, "terms"]
        else:
            # The index holds words as they were written, with their accents.
            query = MatchQuery(unicodedata.normalize("NFC", text), "text")
        found = self.table.search(query, query_type="fts").select(list(columns)).limit(depth)
        rows: list[Cells] = found.to_list()
        return rows


def by_vector(
    table: Table, column: str, vector: Vectors, index: VectorIndex, depth: int
) -> list[Found]:
    """Nearest segments in one vector column, with the release's search parameters."""
    columns = ["video_key", "start_ms", "end_ms", "text"]
    hits = nearest(table, column, vector, index, depth, columns)
    return [
        Found(
            hit["video_key"],
            max(0.0, 1.0 - hit["_distance"]),
            hit["start_ms"],
            hit["end_ms"],
            hit["text"],
        )
        for hit in hits
    ]
