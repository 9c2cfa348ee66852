"""Answering queries from one release: analysis, retrievers, ranking."""

from reelshelf.indexer.search.query import Query
from reelshelf.indexer.search.results import Answer, SearchHit
from reelshelf.indexer.search.searcher import QueryEncoders, Searcher, Wanted

__all__ = [
    "Answer",
    "Query",
    "QueryEncoders",
    "SearchHit",
    "Searcher",
    "Wanted",
]
