"""The ways from a query to a video. Each gives videos a score in 0..1 and a moment.

In the offline profile words and frames share no space, so words reach pictures through the
catalogue: words to product text, product to the videos linked to it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from lancedb.query import LanceVectorQueryBuilder
from lancedb.table import Table

from indexer.linking.catalogue import LinkingCatalogue, words
from indexer.store.rows import Cells
from schemas.links import ProductLink
from schemas.media import Vectors
from schemas.release import VectorIndex


@dataclass(frozen=True, slots=True)
class Found:
    """A video found by one route; `link` is the product link that led to it, if one did."""

    video_key: str
    score: float
    start_ms: int
    end_ms: int
    text: str = ""
    link: ProductLink | None = None


def by_links(
    relevance: Vectors, catalogue: LinkingCatalogue, links: Iterable[ProductLink]
) -> list[Found]:
    """Videos linked to relevant products: relevance times the link's probability."""
    found = []
    for link in links:
        product = catalogue.index_of.get(link.sku)
        score = float(relevance[product]) * link.score if product is not None else 0.0
        if score > 0.01:
            start, end = _moment(link)
            found.append(Found(link.video_key, score, start, end, link=link))
    return found


def by_words(table: Table, query: str, depth: int) -> list[Found]:
    """Full text over what is written and said (BM25), relative to the best hit."""
    terms = " ".join(words(query))
    if not terms:
        return []
    hits = (
        table.search(terms, query_type="fts", fts_columns="text")
        .select(["video_key", "start_ms", "end_ms", "text", "_score"])
        .limit(depth)
        .to_list()
    )
    best = max((hit["_score"] for hit in hits), default=0.0)
    # A query of many words that matches one of them is no match: BM25 of one rare word is about
    # 5, so that much is needed for the full score.
    scale = max(best, 5.0)
    return [
        Found(hit["video_key"], hit["_score"] / scale, hit["start_ms"], hit["end_ms"], hit["text"])
        for hit in hits
    ]


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


def nearest(
    table: Table, column: str, vector: Vectors, index: VectorIndex, depth: int, columns: list[str]
) -> list[Cells]:
    """Rows nearest by cosine, flat or through the index as the release says."""
    query = query_for(table, column, vector, index).select([*columns, "_distance"]).limit(depth)
    rows: list[Cells] = query.to_arrow().to_pylist()
    return rows


def query_for(
    table: Table, column: str, vector: Vectors, index: VectorIndex
) -> LanceVectorQueryBuilder:
    """A query of one vector column with the release's parameters."""
    query = table.search(vector, vector_column_name=column).distance_type("cosine")
    if index.kind == "ivf_pq":
        return query.nprobes(index.nprobes).refine_factor(index.refine_factor)
    return query.bypass_vector_index()


def _moment(link: ProductLink) -> tuple[int, int]:
    """Where to start playing: the span of the strongest evidence that has one."""
    for piece in link.evidence:
        if piece.span is not None:
            return piece.span.start_ms, piece.span.end_ms
    return 0, 0
