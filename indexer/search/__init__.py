"""Answering queries from one release: analysis, retrievers, ranking."""

from reelshelf.indexer.search.features import FeatureMatrix, Ranker
from reelshelf.indexer.search.filters import Filter, read_filter
from reelshelf.indexer.search.query import Query
from reelshelf.indexer.search.requests import SearchRequest
from reelshelf.indexer.search.results import Answer, Facet, Moment, ProductHit, SearchHit
from reelshelf.indexer.search.searcher import QueryEncoders, Searcher, Wanted

__all__ = [
    "Answer",
    "Facet",
    "FeatureMatrix",
    "Filter",
    "Moment",
    "ProductHit",
    "Query",
    "QueryEncoders",
    "Ranker",
    "SearchHit",
    "SearchRequest",
    "Searcher",
    "Wanted",
    "read_filter",
]
